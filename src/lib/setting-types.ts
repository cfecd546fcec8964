/**
 * The kinds of value that settings are made of, as zod types. The `settings.ts` of each folder builds on them wherever it
 * needs a time, a size, an address or a secret, so that these are written in one way everywhere.
 *
 * Some kinds carry a mark (see {@link settingKindOf}). The loader walks the schema along with the file and replaces a
 * secret's `{ file }` or `{ env }` by its text, and a relative path by one from the configuration's folder, before it
 * validates: schemas see plain strings, and parsing stays synchronous and pure.
 */
import { z } from "zod";
import { type Endpoint, parseEndpoint } from "./endpoint.ts";
import { ipNetworkList, parseIpNetwork } from "./ip-network.ts";

export type SettingKind = "duration" | "byte-size" | "secret" | "path" | "authorities" | "listen-address";

const millisecondsOf = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const octetsOf = {
  "": 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
} as const;

const durationPattern = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d|w)$/;
const byteSizePattern = /^(\d{1,15}(?:\.\d{1,3})?) ?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?$/;

/** `"90s"`, `"5m"`, `"4h"`, `"5d"`, `"250ms"`, `"1w"` → milliseconds, a whole number. */
export function duration(bounds: { readonly minMs?: number; readonly maxMs?: number } = {}) {
  const { minMs = 0, maxMs = Number.MAX_SAFE_INTEGER } = bounds;
  return z
    .string('a time is written as text with a unit: "250ms", "90s", "5m", "4h", "5d", "1w"')
    .regex(durationPattern, 'a time is a number with a unit: "250ms", "90s", "5m", "4h", "5d", "1w"')
    .refine((text) => (parseDuration(text) ?? minMs) >= minMs, `the time is shorter than ${formatDuration(minMs)}`)
    .refine((text) => (parseDuration(text) ?? maxMs) <= maxMs, `the time is longer than ${formatDuration(maxMs)}`)
    .meta({ kind: "duration" satisfies SettingKind })
    .transform((text) => parseDuration(text) ?? 0);
}

/** `"50MB"` (thousands), `"50MiB"` (1,024), `"512"` (octets) → octets, a whole number. */
export function byteSize(bounds: { readonly min?: number; readonly max?: number } = {}) {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = bounds;
  return z
    .string('a size is written as text with a unit: "512KB", "50MB", "1GiB"')
    .regex(byteSizePattern, 'a size is a number with a unit: "512KB", "50MB", "1GiB"')
    .refine((text) => (parseByteSize(text) ?? min) >= min, `the size is smaller than ${min} octets`)
    .refine((text) => (parseByteSize(text) ?? max) <= max, `the size is larger than ${max} octets`)
    .meta({ kind: "byte-size" satisfies SettingKind })
    .transform((text) => parseByteSize(text) ?? 0);
}

/** In the file: text, `{ file = "…" }` or `{ env = "…" }`. Parsed: the text. */
export function secret() {
  return z
    .string('a secret is text, { file = "…" } or { env = "…" }')
    .min(1, "the secret is empty")
    .meta({ kind: "secret" satisfies SettingKind });
}

/** A file or folder; a relative one starts at the folder of the configuration file. Parsed: absolute. */
export function filePath() {
  return z
    .string("a path is text")
    .min(1, "the path is empty")
    .refine((text) => !text.includes("\0"), "a path has no NUL")
    .meta({ kind: "path" satisfies SettingKind });
}

/** A PEM file with certificates of authorities; relative as other paths are. Parsed: the certificates, as PEM. */
export function authoritiesFile() {
  return z
    .string("a path is text")
    .min(1, "the path is empty")
    .meta({ kind: "authorities" satisfies SettingKind });
}

/** `"127.0.0.1:25"`, `"[::]:25"`, `"unix:/path"`. */
export function listenAddress() {
  return z
    .string('an address to listen on is text: "127.0.0.1:25", "[::]:25" or "unix:/path"')
    .refine(
      (text) => parseEndpoint(text) !== undefined,
      'write an IP address with a port, "127.0.0.1:25" or "[::]:25", or "unix:/path"',
    )
    .meta({ kind: "listen-address" satisfies SettingKind })
    .transform((text): Endpoint => parseEndpoint(text) ?? { kind: "unix", path: text });
}

/** `["127.0.0.0/8", "::1"]` → something that knows which addresses are in it. */
export function networkList() {
  return z
    .array(
      z
        .string('a network is text: "192.0.2.0/24"')
        .refine(
          (text) => parseIpNetwork(text) !== undefined,
          'a network is an IP address with an optional prefix length and no bits set after it: "192.0.2.0/24", "2001:db8::/32", "::1"',
        ),
    )
    .transform((texts) => ipNetworkList(texts.filter((text) => parseIpNetwork(text) !== undefined)));
}

/** The mark of a schema made here, found through `.describe()`, `.min()` and the like. */
export function settingKindOf(schema: z.core.$ZodType): SettingKind | undefined {
  const kind = z.globalRegistry.get(schema)?.["kind"];
  return typeof kind === "string" ? (kind as SettingKind) : undefined;
}

export function parseDuration(text: string): number | undefined {
  const match = durationPattern.exec(text);
  return match ? Math.round(Number(match[1]) * millisecondsOf[match[2] as keyof typeof millisecondsOf]) : undefined;
}

export function parseByteSize(text: string): number | undefined {
  const match = byteSizePattern.exec(text);
  return match ? Math.round(Number(match[1]) * octetsOf[(match[2] ?? "") as keyof typeof octetsOf]) : undefined;
}

/** The largest unit that gives a whole number: 14400000 → `4h`. */
export function formatDuration(ms: number): string {
  const unit = (["w", "d", "h", "m", "s"] as const).find((candidate) => ms > 0 && ms % millisecondsOf[candidate] === 0);
  return unit === undefined ? `${ms}ms` : `${ms / millisecondsOf[unit]}${unit}`;
}
