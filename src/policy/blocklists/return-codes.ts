/**
 * What the address in an answer of a DNS list means (RFC 5782 §2.1, §2.3). Lists tell kinds of entries apart by the last octet,
 * or by its bits; which kinds count is the operator's choice.
 */

/** `127.0.0.2`, `127.0.0.4-11` (last octets), `127.0.0.0&6` (any of these bits of the last octet). */
const codePattern = /^127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:(-|&)(\d{1,3}))?$/;

export interface ReturnCodes {
  /** Whether an address of an answer counts as listed. */
  matches(address: string): boolean;
}

/** undefined: one of them cannot be read. None: every address of 127.0.0.0/16 counts that may stand for an entry. */
export function returnCodes(texts: readonly string[]): ReturnCodes | undefined {
  const parsed = texts.map(parseCode);
  if (parsed.some((code) => code === undefined)) return undefined;
  return {
    matches: (address) => {
      const octets = octetsOf(address);
      if (octets === undefined || meaningOf(octets) !== "entry") return false;
      return parsed.length === 0 || parsed.some((matches) => matches?.(octets));
    },
  };
}

/** A list says with these that it does not answer such queries: of public resolvers, too many, or of a wrong kind. */
export function isListRefusal(address: string): boolean {
  const octets = octetsOf(address);
  return octets !== undefined && meaningOf(octets) === "refusal";
}

function meaningOf([first = 0, second = 0, third = 0, last = 0]: readonly number[]): "entry" | "refusal" | "nothing" {
  // 127.255.255.0/24 by common use; 127.0.1.255 is how a list of domains answers to an address.
  if (first !== 127) return "nothing";
  if ((second === 255 && third === 255) || last === 255) return "refusal";
  // RFC 5782 §2.1: 127.0.0.1 is no entry.
  return second === 0 && !(third === 0 && last < 2) ? "entry" : "nothing";
}

function parseCode(text: string): ((octets: readonly number[]) => boolean) | undefined {
  const [, second, third, last, operator, operand] = (codePattern.exec(text) ?? []).map((part) => part);
  const numbers = [second, third, last, operand ?? "0"].map(Number);
  if (second === undefined || numbers.some((number) => number > 255)) return undefined;
  const [b = 0, c = 0, d = 0, other = 0] = numbers;
  if (operator === "-" && other < d) return undefined;
  return ([, two, three, four = 0]) => {
    if (two !== b || three !== c) return false;
    if (operator === "&") return (four & other) !== 0;
    return operator === "-" ? four >= d && four <= other : four === d;
  };
}

function octetsOf(address: string): readonly number[] | undefined {
  const parts = address.split(".");
  const octets = parts.map(Number);
  return parts.length === 4 && octets.every((octet) => Number.isInteger(octet) && octet >= 0 && octet <= 255)
    ? octets
    : undefined;
}
