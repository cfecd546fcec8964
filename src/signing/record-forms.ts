/** A key record in the forms that people need: DNS providers want it in one of these, and say so rarely. */

/** Short enough to mend a mistake within the hour. */
const ttlSeconds = 3600;

export interface RecordForms {
  /** The owner name, without the final dot. */
  readonly name: string;
  /** The value as one text, for providers that cut it themselves. */
  readonly text: string;
  /** Strings of at most 255 octets, in quotes. */
  readonly quoted: string;
  /** A line of a zone file. */
  readonly zone: string;
}

export function recordForms(name: string, text: string): RecordForms {
  // One string of a TXT record holds no more (RFC 1035 §3.3).
  const strings = text.match(/.{1,255}/g) ?? [""];
  const quoted = strings.map((string) => `"${string}"`).join(" ");
  const data = strings.length > 1 ? `( ${quoted} )` : quoted;
  return { name, text, quoted, zone: `${name}. ${ttlSeconds} IN TXT ${data}` };
}
