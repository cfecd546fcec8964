/** What the spool would hold of content that arrives, without a session around it. For tests only. */
import { type ContentFault, IncomingContent, type IncomingContentOptions } from "../intake/incoming-content.ts";
import type { HeaderSection } from "../message/header-section.ts";

export type StoredContent =
  | { readonly kind: "stored"; readonly bytes: Buffer; readonly header: HeaderSection }
  | { readonly kind: "refused"; readonly fault: ContentFault };

export function storeContent(
  pieces: Iterable<Buffer>,
  options: Partial<Pick<IncomingContentOptions, "edit" | "headerBytesMax">> = {},
): StoredContent {
  const chunks: Uint8Array[] = [];
  const append = (bytes: Uint8Array) => {
    chunks.push(bytes);
    return undefined;
  };
  const limits = { headerBytesMax: 64 * 1024, hold: () => true };
  const content = new IncomingContent({ append, ...limits, checkLineEnds: true, ...options });
  for (const piece of pieces) {
    const fault = content.push([piece]);
    if (typeof fault === "string") return { kind: "refused", fault };
  }
  const finished = content.finish();
  if (typeof finished === "string") return { kind: "refused", fault: finished };
  return { kind: "stored", bytes: Buffer.concat(chunks), header: finished.header };
}
