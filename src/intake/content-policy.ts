/** What is asked of the policies about content that has arrived whole, and found out for them first. */
import { parseMailbox } from "../address/mailbox-text.ts";
import { whenReady } from "../lib/when-ready.ts";
import type { HeaderSection } from "../message/header-section.ts";
import type { MessageFacts } from "../message/message-facts.ts";
import { checkHeaderAddresses } from "../message/submission-edits.ts";
import { type Refusal, refuse } from "../policy/decision.ts";
import { checkDeliveredBefore } from "../policy/delivered-before.ts";
import { checkHeaderOwnership } from "../policy/header-ownership.ts";
import { checkHopCount, refuseOwnLoop } from "../policy/hop-limit.ts";
import type { NewMessage } from "../spool/spool.ts";
import type { Envelope } from "./envelope.ts";
import type { Origin } from "./origin.ts";
import type { IntakeServices } from "./services.ts";

/** `undefined`: nothing shows that the message goes round in a circle. */
export function checkCircle(
  { hasMailboxHere }: Pick<IntakeServices, "hasMailboxHere">,
  { recipients }: Envelope,
  { facts, hopLimit }: { readonly facts: MessageFacts; readonly hopLimit: number },
): Refusal | undefined {
  const tooManyHops = checkHopCount(facts, hopLimit);
  // Most messages say nothing of an earlier delivery, and then nobody asks where their recipients lead.
  if (tooManyHops !== undefined || facts.deliveredTo.length === 0 || hasMailboxHere === undefined) return tooManyHops;
  return recipients.every(hasMailboxHere) ? checkDeliveredBefore(facts, recipients) : undefined;
}

/** Who a submission says it is from (RFC 6409 §5.1, §6.1). `undefined`: nothing against it. */
export function checkAuthors(
  { accounts }: Pick<IntakeServices, "accounts">,
  origin: Origin,
  header: HeaderSection,
): Refusal | undefined | Promise<Refusal | undefined> {
  if (origin.trust !== "submitter") return undefined;
  const { login } = origin.facts;
  // Without a login MAIL was refused already, save in development.
  if (login === undefined) return origin.development === true ? undefined : refuse("login-needed", {});
  const check = checkHeaderAddresses(header);
  const mailboxes = check.kind === "ok" ? [...check.from, ...(check.sender === undefined ? [] : [check.sender])] : [];
  const answers = mailboxes.map((mailbox) => accounts.mayUse(login, mailbox));
  const ready = answers.filter((value) => typeof value === "boolean");
  const all = ready.length === answers.length ? ready : Promise.all(answers.map(async (answer) => answer));
  return whenReady(all, (mayUse) => checkHeaderOwnership(check, mayUse, login));
}

/**
 * A message that passed through here before. A rewritten reverse-path of ours proves that it left here: whoever is behind
 * that may be told, so the message is given back with what is known now.
 */
export async function checkOwnLoop(
  { forwarding }: Pick<IntakeServices, "forwarding">,
  message: NewMessage,
): Promise<{ readonly message: NewMessage; readonly refusal: Refusal | undefined }> {
  const { stranger, reversePath } = message;
  const sender = parseMailbox(reversePath);
  const isKnown = stranger === undefined || stranger === "verified" || sender === undefined;
  const original = isKnown ? undefined : await forwarding?.reverse(sender);
  const known: NewMessage = original?.kind === "address" ? { ...message, stranger: "verified" } : message;
  return { message: known, refusal: refuseOwnLoop(known.stranger) };
}
