/** What a test server refuses because a test wants to see how its program takes it: recipients, and commands that fail. */
import type { Mailbox } from "../address/mailbox.ts";
import { parseMailbox } from "../address/mailbox-text.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { Refusal } from "../policy/decision.ts";
import type { Moment, Stage } from "../policy/stage.ts";
import type { EnhancedStatus } from "../smtp/enhanced-status.ts";
import { reply } from "../smtp/reply.ts";

/** `connect` stands for the greeting, `EHLO` for HELO, too, and `content` for the end of a message. */
export type RefusableCommand = "connect" | "EHLO" | "MAIL" | "RCPT" | "DATA" | "content";

/** One thing that is refused, always or a number of times. */
export type TestRefusal = (
  | {
      /** This recipient, compared as an address: without regard to letter case. */
      readonly recipient: string;
    }
  | {
      /** This command, whatever it says. */
      readonly command: RefusableCommand;
    }
) & {
  /** Code, enhanced status (RFC 3463) and text, such as `452 4.2.2 Mailbox full`. A code of 4yz or 5yz. */
  readonly reply: string;
  /** Then it is accepted. Default: it is refused always. */
  readonly times?: number;
};

const moments: Readonly<Record<RefusableCommand, Moment>> = {
  connect: "connect",
  EHLO: "hello",
  MAIL: "mail",
  RCPT: "recipient",
  DATA: "data",
  content: "header",
};

/** In order: the first that fits counts. Throws a TypeError where a reply or a recipient cannot be used. */
export function refusalStages(refusals: readonly TestRefusal[]): readonly Stage[] {
  return refusals.map((given): Stage => {
    const refusal = refusalOf(given.reply);
    let left = given.times ?? Number.POSITIVE_INFINITY;
    const count = () => (left-- > 0 ? refusal : undefined);
    const rule = "test-refusals";
    if (!("recipient" in given)) {
      const moment = moments[given.command] as Moment | undefined;
      if (moment === undefined) throw new TypeError(`${String(given.command)} is no command that can be refused`);
      return { rule, [moment]: count };
    }
    const wanted = parseMailbox(given.recipient);
    if (wanted === undefined) throw new TypeError(`${given.recipient} is no address`);
    return { rule, recipient: ({ forwardPath }) => (isSame(forwardPath, wanted) ? count() : undefined) };
  });
}

function isSame(one: Mailbox, other: Mailbox): boolean {
  return one.domainKey === other.domainKey && asciiLowerCase(one.localPart) === asciiLowerCase(other.localPart);
}

function refusalOf(given: string): Refusal {
  const [, code = "", status, text = ""] =
    /^([45][0-5]\d) (?:([45]\.\d{1,3}\.\d{1,3}) )?([ -~]{1,400})$/.exec(given) ?? [];
  const enhanced = status as EnhancedStatus | undefined;
  if (text === "" || (enhanced !== undefined && enhanced[0] !== code[0]))
    throw new TypeError(`${JSON.stringify(given)} is no reply that refuses, such as "452 4.2.2 Mailbox full"`);
  return {
    verdict: code.startsWith("5") ? "reject" : "defer",
    reason: "refused-by-test",
    reply: reply(Number(code), enhanced, text),
    inputs: { reply: given },
  };
}
