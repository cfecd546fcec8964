/**
 * The policy that a domain publishes for its mail servers (RFC 8461 §3.2), as text and as a value, and what it says about one
 * of them (§4.1, §5).
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { endOfText } from "../lib/trim-blanks.ts";

export type StsMode = "enforce" | "testing" | "none";

export interface StsPolicy {
  readonly mode: StsMode;
  /** Host names in A-labels and lower case, perhaps with `*.` in front; none only where the mode is `none`. */
  readonly mx: readonly string[];
  /** How long the policy may be kept after it was fetched; at most {@link maxAgeSecondsMax}. */
  readonly maxAgeSeconds: number;
}

export type StsPolicyResult =
  | { readonly kind: "policy"; readonly policy: StsPolicy }
  /** What is wrong, as the end of a sentence. */
  | { readonly kind: "invalid"; readonly reason: string };

/** RFC 8461 §3.3. */
export const policyBytesMax = 65_536;
/** A year (RFC 8461 §3.2); longer ones are cut. */
export const maxAgeSecondsMax = 31_557_600;
/** The largest providers list ten. Policies are kept, so their size has to be bounded. */
const mxMax = 256;
const nameLengthMax = 253;

/** A line: name, colon, blanks, value. */
const fieldPattern = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*([^\0-\u0020\u007f][^\0-\u0008\u000a-\u001f\u007f]*)$/;

/** `body`: what the policy's host sent. Lines end with LF or CRLF; names that are not known are passed over. */
export function parseStsPolicy(body: Uint8Array): StsPolicyResult {
  if (body.length > policyBytesMax) return invalid(`it has more than ${policyBytesMax} octets`);
  const text = textOf(body);
  if (text === undefined) return invalid("it is not in UTF-8");
  const single = new Map<string, string>();
  const mx: string[] = [];
  for (const line of text.split("\n")) {
    const content = line.slice(0, endOfText(line.endsWith("\r") ? line.slice(0, -1) : line));
    // Deviation: empty lines, which the grammar lacks, are often at the end; without them the domain had no policy.
    if (content === "") continue;
    const [, name = "", value = ""] = fieldPattern.exec(content) ?? [];
    if (name === "") return invalid(`the line "${content.slice(0, 60)}" breaks the grammar`);
    if (name === "mx") {
      const pattern = patternOf(value);
      if (pattern === undefined) return invalid(`"${value.slice(0, 60)}" is no host name`);
      if (mx.push(pattern) > mxMax) return invalid(`it has more than ${mxMax} mail hosts`);
    } else if (!single.has(name)) single.set(name, value); // RFC 8461 §3.2: the first counts.
  }
  return policyOf(single, mx);
}

/** Whether it may stand in an `mx` line. */
export function isMxPattern(text: string): boolean {
  return patternOf(text) !== undefined;
}

/** The policy as its domain may have written it, for reports; or as we write ours. */
export function policyLines({ mode, mx, maxAgeSeconds }: StsPolicy): readonly string[] {
  return ["version: STSv1", `mode: ${mode}`, ...mx.map((pattern) => `mx: ${pattern}`), `max_age: ${maxAgeSeconds}`];
}

/** Whether the policy names this host (RFC 8461 §4.1): a wildcard stands for exactly one label. */
export function listsMx({ mx }: Pick<StsPolicy, "mx">, host: string): boolean {
  const name = asciiLowerCase(host.endsWith(".") ? host.slice(0, -1) : host);
  const dot = name.indexOf(".");
  const wildcard = dot > 0 ? `*${name.slice(dot)}` : undefined;
  return mx.includes(name) || (wildcard !== undefined && mx.includes(wildcard));
}

function policyOf(fields: ReadonlyMap<string, string>, mx: readonly string[]): StsPolicyResult {
  const mode = fields.get("mode");
  const maxAge = fields.get("max_age");
  if (fields.get("version") !== "STSv1") return invalid("it needs version: STSv1");
  if (mode !== "enforce" && mode !== "testing" && mode !== "none") {
    return invalid(mode === undefined ? "it has no mode" : `its mode "${mode.slice(0, 60)}" is not known`);
  }
  if (maxAge === undefined || !/^\d{1,10}$/.test(maxAge)) return invalid("it needs a max_age in seconds");
  if (mx.length === 0 && mode !== "none") return invalid("it names no mail host (mx)");
  return { kind: "policy", policy: { mode, mx, maxAgeSeconds: Math.min(Number(maxAge), maxAgeSecondsMax) } };
}

/** `["*."] Domain` (RFC 8461 §3.2). Underscores, which some host names have against RFC 5321 §4.1.2, do no harm. */
function patternOf(value: string): string | undefined {
  const name = value.startsWith("*.") ? value.slice(2) : value;
  const labels = name.length <= nameLengthMax ? name.split(".") : [""];
  const isName = labels.every((label) => /^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$/.test(label) && !label.endsWith("-"));
  return isName ? asciiLowerCase(value) : undefined;
}

/** Deviation: a byte-order mark in front, which the grammar lacks, is passed over: some editors write one, unseen. */
function textOf(body: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    return undefined;
  }
}

function invalid(reason: string): StsPolicyResult {
  return { kind: "invalid", reason };
}
