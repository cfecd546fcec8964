/**
 * The TXT record at `_smtp._tls` by which a domain asks for TLS reports (RFC 8460 §3). Exactly one record must be of this
 * kind, and it must follow the grammar to the letter; fields of later versions are passed over.
 */

export interface TlsReportRecord {
  /** `mailto:` and `https:` URIs in their order; other schemes are left out. At least one. */
  readonly rua: readonly string[];
}

export type TlsReportRecordResult =
  | { readonly kind: "record"; readonly record: TlsReportRecord }
  /** No such record: nobody asks. */
  | { readonly kind: "none" }
  /** A sentence about what is wrong. */
  | { readonly kind: "invalid"; readonly reason: string };

/** More addresses than this serve nobody but a victim. */
const uriMax = 10;

/** `texts`: the TXT records at the name, each with its strings joined. */
export function findTlsReportRecord(texts: readonly string[]): TlsReportRecordResult {
  // RFC 8460 §3: records that do not begin so are discarded before they are counted.
  const candidates = texts.filter((text) => text.startsWith("v=TLSRPTv1;"));
  const [only] = candidates;
  if (only === undefined) return { kind: "none" };
  if (candidates.length > 1) return { kind: "invalid", reason: "There are several TLSRPT records; one is allowed." };
  return parseTlsReportRecord(only);
}

export function parseTlsReportRecord(text: string): TlsReportRecordResult {
  const [version, ...fields] = text.split(";").map(trimBlanks);
  if (version !== "v=TLSRPTv1") return invalid("It does not begin with v=TLSRPTv1.");
  if (fields.at(-1) === "") fields.pop();
  let rua: readonly string[] | undefined;
  for (const field of fields) {
    const equals = field.indexOf("=");
    const [name, value] = [field.slice(0, Math.max(0, equals)), field.slice(equals + 1)];
    if (name === "rua") {
      // The grammar lets fields of any kind stand there more than once.
      rua = [...(rua ?? []), ...value.split(",").map(trimBlanks)];
    } else if (!extensionName.test(name) || !extensionValue.test(value)) {
      return invalid(`The field "${field.slice(0, 60)}" breaks the grammar.`);
    }
  }
  if (rua === undefined) return invalid("There is no rua field, so reports go nowhere.");
  if (!rua.every((uri) => anyUri.test(uri))) return invalid("One of the addresses in rua is no URI.");
  const usable = rua.filter((uri) => knownUri.test(uri)).slice(0, uriMax);
  if (usable.length === 0) return invalid("None of the addresses in rua is a mailto: or https: URI.");
  return { kind: "record", record: { rua: usable } };
}

/** RFC 8460 §3: `tlsrpt-ext-name` and `tlsrpt-ext-value`. */
const extensionName = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/;
const extensionValue = /^[\u0021-\u003a\u003c\u003e-\u007e]+$/;
/** RFC 3986 §3.1; commas, exclamation points and semicolons would be percent-encoded (RFC 8460 §3). */
const anyUri = /^[A-Za-z][A-Za-z0-9+.-]{0,20}:[\u0021-\u002b\u002d-\u007e]{1,2000}$/;
const knownUri = /^(?:mailto:[^@]+@.|https:\/\/.)/i;

function trimBlanks(text: string): string {
  return text.replace(/^[ \t]+/, "").trimEnd();
}

function invalid(reason: string): TlsReportRecordResult {
  return { kind: "invalid", reason };
}
