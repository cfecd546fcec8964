/**
 * The argument of XCLIENT (Postfix's XCLIENT_README), by which a proxy that speaks SMTP says whose session it passes on. Every
 * attribute that Postfix documents is checked; only the two addresses are used, since a client's word about itself comes
 * with its own EHLO and AUTH. Pure: the text goes in, the addresses or a refusal come out.
 */
import { parseIpAddress } from "../address/ip-address.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { badParameter, splitParameters } from "./esmtp-parameters.ts";
import { parsePort } from "./proxy-header.ts";
import { reply, type Reply } from "./reply.ts";
import { decodeXtext } from "./xtext.ts";

export interface XclientAttributes {
  /** Of the client, in normal form; null: the proxy does not know it. */
  readonly client: string | null;
  /** That the client connected to; absent: not told, or not known. */
  readonly server?: string;
}

/** Those that EHLO names. LOGIN is read and counts for nothing: who signs in here has to prove it here. */
export const xclientKeywords = "NAME ADDR PORT PROTO HELO DESTADDR DESTPORT";

/** Characters of a name (RFC 1035 §2.3.4), of a HELO argument (RFC 5321 §4.5.3.1.2) and of a login. */
const textMax = 255;

type Check = (value: string) => boolean;
const isText: Check = (value) => value.length <= textMax && /^[\x20-\x7e]+$/.test(value);
const isAddress: Check = (value) => addressOf(value) !== undefined;
const isPort: Check = (value) => parsePort(value) !== undefined;

const checks: ReadonlyMap<string, Check> = new Map([
  ["NAME", isText],
  ["ADDR", isAddress],
  ["PORT", isPort],
  ["PROTO", (value) => /^e?smtp$/i.test(value)],
  ["HELO", isText],
  ["LOGIN", isText],
  ["DESTADDR", isAddress],
  ["DESTPORT", isPort],
]);

/** A 501 for what is malformed, unknown or given twice, and where ADDR is missing: the proxy's own rights are never lent. */
export function parseXclient(argument: string): XclientAttributes | Reply {
  const split = splitParameters(` ${argument}`);
  if ("code" in split) return split;
  const known = new Map<string, string | null>();
  for (const { keyword, value = "" } of split) {
    const check = checks.get(keyword);
    if (check === undefined) return badParameter(keyword, "is no attribute of XCLIENT");
    const text = decodeXtext(value)?.toString("latin1");
    const isUnknown = text !== undefined && /^\[(?:UNAVAILABLE|TEMPUNAVAIL)\]$/i.test(text);
    if (!isUnknown && (text === undefined || !check(text))) return badParameter(keyword, "has a malformed value");
    known.set(keyword, isUnknown ? null : text);
  }
  const client = known.get("ADDR");
  if (client === undefined) return addressMissing;
  const server = known.get("DESTADDR") ?? undefined;
  return {
    client: client === null ? null : (addressOf(client) ?? null),
    ...(server !== undefined && { server: addressOf(server) ?? server }),
  };
}

const addressMissing = reply(501, "5.5.4", "XCLIENT needs the attribute ADDR");

/** In normal form. IPv6 has its prefix, in any case, and IPv4 has none. */
function addressOf(value: string): string | undefined {
  const isIpv6 = asciiLowerCase(value.slice(0, ipv6Prefix.length)) === ipv6Prefix;
  const text = isIpv6 ? value.slice(ipv6Prefix.length) : value;
  return text.includes(":") === isIpv6 ? parseIpAddress(text)?.text : undefined;
}

const ipv6Prefix = "ipv6:";
