/**
 * What a peer's answer to EHLO or LHLO offers (RFC 5321 §4.1.1.1). A value, made from one answer and never merged with
 * another: what was said before STARTTLS is not true after it (RFC 3207 §4.2).
 */
import { asciiUpperCase } from "../../lib/ascii-case.ts";

export interface Capabilities {
  /** false: HELO was used; no parameter and no extension exists. */
  readonly extended: boolean;
  readonly pipelining: boolean;
  readonly eightBitMime: boolean;
  readonly binaryMime: boolean;
  readonly chunking: boolean;
  readonly smtpUtf8: boolean;
  readonly dsn: boolean;
  /** It goes on only over TLS with mail that says so (RFC 8689); means something in an answer under TLS only. */
  readonly requireTls: boolean;
  readonly startTls: boolean;
  /** SIZE is offered, so MAIL may have it. */
  readonly size: boolean;
  /** Largest message in octets; absent: none told (RFC 1870 §4, 0 says so too). */
  readonly sizeMax?: number;
  /** SASL mechanisms, upper case; empty where AUTH is not offered. */
  readonly auth: readonly string[];
  readonly limits: PeerLimits;
  /** The lines as received after the first, for transcripts. */
  readonly lines: readonly string[];
}

/** RFC 9422; only those that a client can act on. */
export interface PeerLimits {
  /** Recipients in one transaction. */
  readonly recipientsMax?: number;
  /** Transactions in one session. */
  readonly transactionsMax?: number;
}

/** After HELO, and before any greeting was answered. */
export const noCapabilities: Capabilities = {
  extended: false,
  pipelining: false,
  eightBitMime: false,
  binaryMime: false,
  chunking: false,
  smtpUtf8: false,
  dsn: false,
  requireTls: false,
  startTls: false,
  size: false,
  auth: [],
  limits: {},
  lines: [],
};

/** `lines`: texts of the reply, the first of which only greets. Keywords count in any case; unknown ones are passed over. */
export function parseCapabilities(lines: readonly string[]): Capabilities {
  const keywords = new Map<string, string>();
  for (const line of lines.slice(1)) {
    // Some old servers say "AUTH=LOGIN PLAIN" beside or instead of "AUTH LOGIN PLAIN".
    const match = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =]+([^ =].*)?)?$/.exec(line.trimEnd());
    if (match?.[1] === undefined) continue;
    const keyword = asciiUpperCase(match[1]);
    const parameters = match[2] ?? "";
    if (keyword === "AUTH") keywords.set(keyword, `${keywords.get(keyword) ?? ""} ${parameters}`);
    else if (!keywords.has(keyword)) keywords.set(keyword, parameters);
  }
  const sizeMax = parseSize(keywords.get("SIZE"));
  return {
    extended: true,
    pipelining: keywords.has("PIPELINING"),
    eightBitMime: keywords.has("8BITMIME"),
    // BINARYMIME cannot be used without CHUNKING (RFC 3030 §3).
    binaryMime: keywords.has("BINARYMIME") && keywords.has("CHUNKING"),
    chunking: keywords.has("CHUNKING"),
    smtpUtf8: keywords.has("SMTPUTF8"),
    dsn: keywords.has("DSN"),
    requireTls: keywords.has("REQUIRETLS"),
    startTls: keywords.has("STARTTLS"),
    size: keywords.has("SIZE"),
    ...(sizeMax !== undefined && { sizeMax }),
    auth: [
      ...new Set(
        asciiUpperCase(keywords.get("AUTH") ?? "")
          .split(/\s+/)
          .filter(Boolean),
      ),
    ],
    limits: parseLimits(keywords.get("LIMITS")),
    lines: lines.slice(1),
  };
}

function parseSize(text: string | undefined): number | undefined {
  const match = /^(\d{1,20})(?:\s|$)/.exec(text ?? "");
  // A limit beyond 2^53 is none for us.
  const size = Number(match?.[1] ?? 0);
  return size > 0 && Number.isSafeInteger(size) ? size : undefined;
}

/**
 * RFC 9422 §3: a list that is not well-formed is ignored whole, a limit whose value is not a number of one to six digits
 * without leading zero is ignored alone, and so are unknown names.
 */
function parseLimits(text: string | undefined): PeerLimits {
  if (text === undefined || text === "") return {};
  const items = text.trimEnd().split(" ");
  if (!items.every((item) => /^[A-Za-z0-9][A-Za-z0-9_-]*(?:=[\x21-\x3a\x3c-\x7e]+)?$/.test(item))) return {};
  const values = new Map<string, number>();
  for (const item of items) {
    const [name = "", value = ""] = item.split("=", 2);
    if (/^[1-9]\d{0,5}$/.test(value) && item.length === name.length + 1 + value.length) {
      values.set(asciiUpperCase(name), Number(value));
    }
  }
  const recipientsMax = values.get("RCPTMAX");
  const transactionsMax = values.get("MAILMAX");
  return {
    ...(recipientsMax !== undefined && { recipientsMax }),
    ...(transactionsMax !== undefined && { transactionsMax }),
  };
}
