/** What a person or a test wants of a captured message: header, text, HTML, attachments, links, one-time codes. */
import { type MessageHeader, type ParsedMessage, parseHeaderOf, parseMessage } from "./parsed-message.ts";
import { type Findings, findLinksAndCodes } from "./reading/find.ts";

export interface ReadableContent extends MessageHeader, Findings {
  readonly text: string;
  readonly html: string;
  /** `index` gets the content: `…/ID/attachments/INDEX`. */
  readonly attachments: readonly {
    readonly index: number;
    readonly filename: string;
    readonly type: string;
    readonly disposition: string | null;
    readonly content_id: string | null;
    /** Octets of the content, decoded. */
    readonly size: number;
  }[];
  /** What of the message is not shown, and why. */
  readonly left_out: string | null;
}

export async function readContent(raw: Uint8Array): Promise<ReadableContent> {
  return readable(await parseMessage(raw));
}

/** Where the parts cannot be read, for the reason in `problem`. */
export async function readHeaderOnly(raw: Uint8Array, problem: string): Promise<ReadableContent> {
  return readable(await parseHeaderOf(raw, problem));
}

function readable({ header, subject, text, html, attachments, omission }: ParsedMessage): ReadableContent {
  return {
    ...header,
    text,
    html,
    ...findLinksAndCodes({ subject, text, html }),
    attachments: attachments.map(({ content, ...facts }, index) => ({ index, ...facts, size: content.length })),
    left_out: omission ?? null,
  };
}
