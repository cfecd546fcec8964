/** What an ACME server answers (RFC 8555 §7.1, RFC 9773 §4): read as a stranger's, so every text and list has a bound. */
import { z } from "zod";

/** Answers have a few hundred octets; a directory or an order of a hundred names has some thousand. */
export const answerBytesMax = 65_536;
/** A chain of some certificates, each of 2 KB or so. */
export const certificateBytesMax = 262_144;
/** What is shown to people of an authority's words. */
const wordsMax = 1000;

const text = z.string().max(2048);
/** Requests go to no other scheme; signed ones hold nothing secret, but a nonce is only good once. */
const url = text.refine((value) => value.startsWith("https://") && URL.canParse(value), "not an https URL");
const identifier = z.object({ type: text, value: text });

const directory = z.object({
  newNonce: url,
  newAccount: url,
  newOrder: url,
  renewalInfo: url.optional(),
  meta: z.object({ termsOfService: text.optional(), externalAccountRequired: z.boolean().optional() }).optional(),
});

const problem = z.object({
  type: text.default("about:blank"),
  detail: z.string().max(16_384).default(""),
  subproblems: z
    .array(
      z.object({
        type: text.default(""),
        detail: z.string().max(16_384).default(""),
        identifier: identifier.optional(),
      }),
    )
    .max(100)
    .optional(),
});

const challenge = z.object({
  type: text,
  url,
  status: z.enum(["pending", "processing", "valid", "invalid"]),
  token: text.regex(/^[\w-]{1,512}$/).optional(),
  error: problem.optional().catch(undefined),
});

const authorization = z.object({
  status: z.enum(["pending", "valid", "invalid", "deactivated", "expired", "revoked"]),
  identifier,
  challenges: z.array(challenge).max(20),
});

const order = z.object({
  status: z.enum(["pending", "ready", "processing", "valid", "invalid"]),
  authorizations: z.array(url).max(100),
  finalize: url,
  certificate: url.optional(),
  error: problem.optional().catch(undefined),
});

const renewalInfo = z.object({
  suggestedWindow: z.object({ start: z.iso.datetime({ offset: true }), end: z.iso.datetime({ offset: true }) }),
  explanationURL: text.optional(),
});

export type Directory = z.output<typeof directory>;
export type Problem = z.output<typeof problem>;
export type Challenge = z.output<typeof challenge>;
export type Authorization = z.output<typeof authorization>;
export type Order = z.output<typeof order>;
export type RenewalInfo = z.output<typeof renewalInfo>;

export const shapes = { directory, problem, authorization, challenge, order, renewalInfo };

/** Undefined: it has another shape. Never throws. */
export function readAnswer<Shape extends z.ZodType>(shape: Shape, body: Uint8Array): z.output<Shape> | undefined {
  if (body.length > answerBytesMax) return undefined;
  try {
    const read = shape.safeParse(JSON.parse(Buffer.from(body).toString("utf8")));
    return read.success ? read.data : undefined;
  } catch {
    return undefined;
  }
}

/** The authority's own words, with those about single names. */
export function problemWords({ type, detail, subproblems = [] }: Problem): string {
  const short = type.replace("urn:ietf:params:acme:error:", "");
  const parts = subproblems.map((sub) => `${sub.identifier?.value ?? "?"}: ${sub.detail}`);
  const words = [detail === "" ? short : `${detail} (${short})`, ...parts].join("; ");
  return words.length <= wordsMax ? words : `${words.slice(0, wordsMax)}…`;
}
