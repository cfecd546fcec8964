/** Which recipients of a new message are captured, marked before it is stored: its commit then lists it. */
import { mailboxKey } from "../address/mailbox-text.ts";
import { parseAddressList } from "../message/address-list.ts";
import type { HeaderSection } from "../message/header-section.ts";
import type { NewMessage } from "../spool/spool.ts";

export type Captures = (recipient: { readonly address: string; readonly domain: string }) => boolean;

/** A From field with more is nobody's; a test looks for the first. */
const authorsMax = 20;

/** `captures` undefined: nothing is captured. `header` tells under which authors the message can be found. */
export function withCapturedMarked(
  message: NewMessage,
  captures: Captures | undefined,
  header?: HeaderSection,
): NewMessage {
  if (captures === undefined || !message.recipients.some(captures)) return message;
  const recipients = message.recipients.map((recipient) =>
    captures(recipient) ? { ...recipient, captured: true as const } : recipient,
  );
  const authors = header === undefined ? [] : authorsIn(header);
  return { ...message, recipients, ...(authors.length !== 0 && { authors }) };
}

function authorsIn({ fields }: HeaderSection): readonly string[] {
  return fields
    .filter(({ name }) => name === "from")
    .flatMap(({ value }) => {
      const list = parseAddressList(value, { unroutable: true });
      return list.kind === "list" ? list.mailboxes.map(({ mailbox }) => mailboxKey(mailbox)) : [];
    })
    .slice(0, authorsMax);
}
