/**
 * Our Received field (RFC 5321 §4.4): written for what we take over, and recognised in what comes back to us.
 *
 * Everything that a client chose (its EHLO name) is made safe here, so that nothing it sends can end the field, open a
 * comment or forge a clause.
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { Instant } from "../lib/instant.ts";
import { withoutComments } from "./comments.ts";
import { formatDate } from "./date.ts";

export interface ReceivedFacts {
  /** EHLO, HELO or LHLO argument as given. */
  readonly hello?: string;
  /** Textual IP address; absent for a unix socket and for what we made ourselves. */
  readonly clientAddress?: string;
  readonly byHost: string;
  /** RFC 3848 keyword; absent for what we made ourselves. */
  readonly protocol?: string;
  /** Queue id. */
  readonly id: string;
  /** `local@domain` ready for the wire: given only where the message has a single recipient (RFC 5321 §7.2). */
  readonly recipient?: string;
  readonly tls?: { readonly protocol: string; readonly cipher: string };
  readonly at: Instant;
  /** Zone of the date; UTC by default. */
  readonly offsetMinutes?: number;
}

/** RFC 5322 §2.1.1. */
const lineLength = 78;
/** Longest domain (RFC 5321 §4.5.3.1.2). */
const nameLengthMax = 255;

/** One folded field with its CRLF. */
export function makeReceived(facts: ReceivedFacts): string {
  const clauses = [`by ${facts.byHost}`];
  const client = clientName(facts);
  if (client !== undefined) clauses.unshift(`from ${client}`);
  if (facts.protocol !== undefined) clauses.push(`with ${facts.protocol}`);
  clauses.push(`id ${facts.id}`);
  if (facts.recipient !== undefined && isPlainRecipient(facts.recipient)) clauses.push(`for <${facts.recipient}>`);
  // RFC 8314 §4.3: the registered clause holds the cipher; the version is for people.
  if (facts.tls !== undefined) clauses.push(`tls ${word(facts.tls.cipher)} (${word(facts.tls.protocol)})`);
  clauses[clauses.length - 1] += ";";
  clauses.push(formatDate(facts.at, facts.offsetMinutes));

  let field = "Received:";
  let used = field.length;
  for (const clause of clauses) {
    const fits = used + 1 + clause.length <= lineLength;
    field += fits ? ` ${clause}` : `\r\n\t${clause}`;
    used = fits ? used + 1 + clause.length : 8 + clause.length;
  }
  return `${field}\r\n`;
}

/** RFC 5321 §4.4 `Extended-Domain`: what the client calls itself, then the address that it really has. */
function clientName({ hello, clientAddress }: ReceivedFacts): string | undefined {
  const literal = clientAddress === undefined ? undefined : addressLiteral(clientAddress);
  const name = hello === undefined || hello === "" ? literal : word(hello);
  return literal === undefined ? name : `${name} (${literal})`;
}

/** `[192.0.2.1]`, `[IPv6:2001:db8::1]`. */
export function addressLiteral(address: string): string {
  // The address comes from the operating system; a zone (`fe80::1%eth0`) is not part of a literal.
  const [plain = ""] = address.split("%");
  if (!plain.includes(":")) return `[${plain}]`;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain);
  return mapped?.[1] === undefined ? `[IPv6:${plain}]` : `[${mapped[1]}]`;
}

/** Only what a domain or an address literal can consist of; all else would be syntax to whoever reads the field. */
function word(text: string): string {
  return text.slice(0, nameLengthMax).replaceAll(/[^A-Za-z0-9._:[\]-]/g, "?");
}

/**
 * A path that can stand in the field without a second thought. Addresses beyond ASCII stay out: they would make the
 * message one that needs SMTPUTF8 (RFC 6531 §3.7.3), and the clause is not obliged.
 */
function isPlainRecipient(address: string): boolean {
  return address.length <= 320 && /^[\x21-\x7e]+$/.test(address) && !/[<>()\\"]/.test(address);
}

/** Whether a Received field's unfolded value names `hostName` (any case) as the host that added it. */
export function isReceivedBy(value: string, hostName: string): boolean {
  const by = /(?:^|\s)by\s+([^\s;()]+)/i.exec(withoutComments(value));
  return by?.[1] !== undefined && asciiLowerCase(by[1].replace(/\.$/, "")) === asciiLowerCase(hostName);
}
