/** What a person or a test wants of a captured message: text, HTML, attachments by name, links, one-time codes. */
import PostalMime from "postal-mime";
import { decodeEncodedWords } from "../message/encoded-word.ts";
import { withKnownCharsets } from "./reading/body-charsets.ts";
import { type Findings, findLinksAndCodes } from "./reading/find.ts";

export interface ReadableContent extends Findings {
  readonly text: string;
  readonly html: string;
  readonly attachments: readonly { readonly filename: string; readonly type: string; readonly size: number }[];
}

/** Larger messages are shown by their first part only: showing is no reason to take the memory of the server. */
const parsedBytesMax = 25_000_000;

export async function readContent(raw: Uint8Array): Promise<ReadableContent> {
  const parsed = await PostalMime.parse(withKnownCharsets(raw.subarray(0, parsedBytesMax)));
  const { headers, text = "", html = "", attachments } = parsed;
  const subject = decodeEncodedWords(headers.find(({ key }) => key === "subject")?.value ?? "");
  return {
    text,
    html,
    ...findLinksAndCodes({ subject, text, html }),
    attachments: attachments.map(({ filename, mimeType, content }) => ({
      filename: filename ?? "",
      type: mimeType,
      size: typeof content === "string" ? content.length : content.byteLength,
    })),
  };
}
