/** An explanation as plain text for a person at a terminal. It may change; programs read the JSON. */
import type { UnsealedReason } from "../events/unsealed-reason.ts";
import type { ExplainedMessage, ExplainedRecipient, Explanation } from "./explain.ts";
import { pathWords, plain, quoted, sizeWords, timeWords } from "./words.ts";

/** Lines end in a line feed; words of others are free of control characters. */
export function formatExplanation({ message, recipients, timeline }: Explanation): string {
  const lines = [...messageLines(message), ""];
  for (const recipient of recipients) {
    const alias = recipient.accepted_as === undefined ? "" : ` (given as ${plain(recipient.accepted_as)})`;
    lines.push(`${plain(recipient.address)}${alias}: ${recipient.state}`);
    const forwarding = forwardingLine(message, recipient);
    if (forwarding !== undefined) lines.push(forwarding);
    lines.push(`  why   ${recipient.why}`, `  next  ${recipient.next}`, "");
  }
  lines.push("What happened:");
  if (timeline.length === 0) lines.push("  Nothing is recorded.");
  const several = recipients.length > 1;
  for (const { at, recipient, text, details = [] } of timeline) {
    const about = several && recipient !== undefined ? `${recipient}: ` : "";
    lines.push(`  ${timeWords(Date.parse(at))}  ${about}${text}`);
    for (const detail of details) lines.push(`    ${detail}`);
  }
  return `${lines.join("\n")}\n`;
}

function forwardingLine(message: ExplainedMessage, recipient: ExplainedRecipient): string | undefined {
  const { forwarded_from: from, sealed, unsealed } = recipient;
  if (from === undefined) return undefined;
  const how = from === message.from ? "" : ", rewritten so that bounces come back here";
  const why = unsealed === undefined ? "" : `: ${unsealedWords[unsealed]}`;
  return `  from  ${pathWords(from)}${how}; ${sealed === true ? "with" : "without"} an ARC seal${why}`;
}

const unsealedWords: Readonly<Record<UnsealedReason, string>> = {
  "turned-off": "forwarding.seal is off",
  "no-key": 'there is no published RSA key for it ("posthaste dkim show")',
  "chain-unchecked": "it came with an ARC chain, and its client's mail is not checked",
  "chain-failed": "the newest seal that it came with says that the chain failed",
  "chain-full": "it came with as many ARC sets as there may be",
  "chain-changed": "the ARC chain that it came with is not whole any more",
  "unsignable-header": "it has no From field or several, or too many fields to sign",
  "malformed-start": "no empty line ends its header",
  fault: "sealing failed, and the log says why",
};

function messageLines(message: ExplainedMessage): readonly string[] {
  const subject = message.subject === undefined ? "" : `, subject ${quoted(message.subject)}`;
  const lines = [
    `Message ${message.id} from ${pathWords(message.from)}, ${sizeWords(message.size)}${subject}`,
    `Accepted ${timeWords(Date.parse(message.received_at))} ${originWords(message)}`,
  ];
  if (message.report_on !== undefined) lines.push(`It is our report on message ${message.report_on}`);
  return lines;
}

function originWords(message: ExplainedMessage): string {
  const { client, hello, login, signed_in_by: how, relay_key: key, listener, protocol, tls } = message;
  if (listener === "local") return "from this server itself";
  const from = client === undefined ? "an unknown client" : plain(client);
  const name = hello === undefined ? "" : ` (${plain(hello)})`;
  const by = how === undefined ? "" : ` by ${plain(how)}`;
  const relays = key === undefined ? "" : `, relaying by its key ${plain(key)}`;
  const who = login === undefined ? relays : `, logged in as ${plain(login)}${by}`;
  return `from ${from}${name}${who}, on ${listener} over ${protocol}${tls === undefined ? " in clear" : `, ${tls}`}`;
}
