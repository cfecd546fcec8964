/** A letter as the intake sees it, and as it is stored in a transaction of someone else's. */
import { isAscii } from "node:buffer";
import { parseMailbox } from "../address/mailbox-text.ts";
import { buildFacts } from "../message/facts.ts";
import type { GeneratedMessage } from "../spool/spool.ts";
import { contentChecks } from "./content-checks.ts";
import { Envelope } from "./envelope.ts";
import { IncomingContent } from "./incoming-content.ts";
import type { Letter, WithLetter } from "./letter.ts";
import { newMessage } from "./new-message.ts";
import type { OwnOrigin } from "./origin.ts";
import type { IntakeServices } from "./services.ts";

/** Whatever the content of a letter is, its maker has bounded it. */
const noLimit = { headerBytesMax: Number.POSITIVE_INFINITY, hold: () => true, checkLineEnds: false };

export function originOfLetter(letter: Letter, more: WithLetter = {}): OwnOrigin {
  return { trust: "ourselves", facts: { listener: "local", protocol: "local" }, letter, ...more };
}

/** No report is sent about what becomes of a letter. */
export function envelopeOfLetter({ reversePath, recipients, content, smtpUtf8, requireTls }: Letter): Envelope {
  const sender = reversePath === "" ? null : parseMailbox(reversePath);
  if (sender === undefined) throw new Error(`a letter's reverse-path is no address: ${reversePath}`);
  const body = isAscii(content) ? "7BIT" : "8BITMIME";
  const envelope = new Envelope(sender, {
    body,
    ...(smtpUtf8 === true && { smtpUtf8 }),
    ...(requireTls === true && { requireTls }),
  });
  for (const recipient of recipients) envelope.addRecipient({ ...recipient, notify: ["NEVER"] });
  return envelope;
}

/** The letter as it will be stored, for a transaction of someone else's. */
export async function composeLetter(
  services: Pick<IntakeServices, "signing">,
  hostname: string,
  letter: Letter,
): Promise<GeneratedMessage> {
  const { id, at, content: bytes } = letter;
  const [origin, envelope] = [originOfLetter(letter), envelopeOfLetter(letter)];
  const checks = contentChecks(services, { id, origin, envelope, hostname, hold: noLimit.hold });
  const content = new IncomingContent({
    ...noLimit,
    append: () => undefined,
    ...(checks !== undefined && { checks }),
  });
  const fault = content.push([bytes]);
  const finished = typeof fault === "string" ? fault : content.finish();
  if (typeof finished === "string") throw new Error(`a letter of this server has a fault: ${finished}`);
  const facts = buildFacts({ ...finished, hostName: hostname });
  const additions = checks?.areNeeded === true ? await checks.additions(undefined) : { signatures: "" };
  const read = { facts, repairs: [] };
  const { message } = newMessage({ id, origin, envelope, hostname, at, content: read, additions });
  return { message, content: bytes };
}
