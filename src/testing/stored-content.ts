/** What the spool would hold of content that arrives, without a session around it. For tests only. */
import { type ContentFault, IncomingContent, type IncomingContentOptions } from "../intake/incoming-content.ts";
import type { HeaderSection } from "../message/header-section.ts";
import { MemorySpool } from "./spool/memory-spool.ts";
import type { MessageWriter } from "../spool/spool.ts";
import { ManualClock } from "./manual-clock.ts";

export type StoredContent =
  | { readonly kind: "stored"; readonly bytes: Buffer; readonly header: HeaderSection }
  | { readonly kind: "refused"; readonly fault: ContentFault };

export function storeContent(
  pieces: Iterable<Buffer>,
  options: Partial<Pick<IncomingContentOptions, "edit" | "headerBytesMax">> = {},
): StoredContent {
  const chunks: Uint8Array[] = [];
  const inner = new MemorySpool({ clock: new ManualClock() }).begin();
  const writer: MessageWriter = {
    get size() {
      return inner.size;
    },
    append: (bytes) => {
      chunks.push(bytes);
      return inner.append(bytes);
    },
    commit: (message, terms) => inner.commit(message, terms),
    abort: () => inner.abort(),
    [Symbol.asyncDispose]: () => inner.abort(),
  };
  const limits = { headerBytesMax: 64 * 1024, hold: () => true };
  const content = new IncomingContent({ id: "1", writer, ...limits, checkLineEnds: true, ...options });
  for (const piece of pieces) {
    const fault = content.push([piece]);
    if (typeof fault === "string") return { kind: "refused", fault };
  }
  const finished = content.finish();
  if (typeof finished === "string") return { kind: "refused", fault: finished };
  return { kind: "stored", bytes: Buffer.concat(chunks), header: finished.header };
}
