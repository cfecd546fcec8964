/** A message that passed through here before. */
import { parseMailbox } from "../address/mailbox-text.ts";
import type { Refusal } from "../policy/decision.ts";
import { refuseOwnLoop } from "../policy/hop-limit.ts";
import type { NewMessage } from "../spool/spool.ts";
import type { IntakeServices } from "./services.ts";

/**
 * A rewritten reverse-path of ours proves that it left here: whoever is behind
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
