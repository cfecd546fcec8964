/**
 * Messages with a DKIM-Signature that is as the test wants it, also wrong in exactly one way, and a resolver that has
 * the key. Made with the functions of `dkim/`, which have vectors of their own; the verifiers' rules are what is tested.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { BodyHashes } from "../dkim/body-hashes.ts";
import { headerHashInput, type Canonicalization } from "../dkim/canonicalization.ts";
import type { DkimOutcome } from "../dkim/dkim-outcome.ts";
import { DkimVerifier } from "../dkim/verifier.ts";
import { HeaderCollector, parseHeaderFields } from "../message/header-section.ts";
import type { Resolver } from "../ports/resolver.ts";
import { StaticResolver } from "./static-resolver.ts";
import { testKey } from "./test-crypto.ts";

/** 2025-04-01T11:00:00Z. */
export const signedAt = 1_743_505_200_000;

export const plainFields = [
  "From: Ann <ann@example.org>",
  "To: Bob <bob@example.net>",
  "Subject: Lunch",
  "Date: Tue, 1 Apr 2025 11:00:00 +0000",
  "Message-ID: <1@example.org>",
];

export interface SigningWish {
  /** Lines without CRLF; a field may hold folding. */
  readonly fields?: readonly string[];
  readonly body?: string;
  readonly algorithm?: string;
  readonly key?: KeyObject;
  readonly header?: Canonicalization;
  readonly bodyForm?: Canonicalization;
  readonly names?: string;
  /** Replaces tags or, with undefined, leaves them out; new ones stand before b=. Signed as they are. */
  readonly tags?: Readonly<Record<string, string | undefined>>;
  /** Hashes only so many octets of the body, and says so. */
  readonly bodyLength?: number;
}

export const ed25519Key = createPrivateKey(testKey("ed25519"));
export const rsaKey = createPrivateKey(testKey("rsa"));

/** A whole message; by default ed25519, relaxed/relaxed, for example.org and the selector `ed`. */
export function signMessage(wish: SigningWish = {}): Buffer {
  const fields = wish.fields ?? plainFields;
  const section = parseHeaderFields(Buffer.from(fields.map((field) => `${field}\r\n`).join("")));
  const body = Buffer.from(`\r\n${wish.body ?? "Are you hungry?\r\n"}`, "latin1");
  const bodies = new BodyHashes();
  const hash = bodies.request(wish.bodyForm ?? "relaxed", "sha256", wish.bodyLength);
  bodies.push(body);
  bodies.end();
  const names = wish.names ?? "from:to:subject:date:message-id";
  const key = wish.key ?? ed25519Key;
  const isRsa = key.asymmetricKeyType === "rsa";
  const tags: Record<string, string | undefined> = {
    v: "1",
    a: wish.algorithm ?? (isRsa ? "rsa-sha256" : "ed25519-sha256"),
    c: `${wish.header ?? "relaxed"}/${wish.bodyForm ?? "relaxed"}`,
    d: "example.org",
    s: isRsa ? "rsa" : "ed",
    h: names,
    bh: hash.digest().toString("base64"),
    l: wish.bodyLength?.toString(),
    ...wish.tags,
  };
  const text = Object.entries(tags).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}; `]));
  const unsigned = `DKIM-Signature: ${text.join("")}b=`;
  const input = headerHashInput({
    header: section,
    names: names.split(":").map((name) => name.trim()),
    canonicalization: wish.header ?? "relaxed",
    signatureField: Buffer.from(unsigned),
  });
  const signature = isRsa ? sign("sha256", input, key) : sign(null, createHash("sha256").update(input).digest(), key);
  const b = tags["b"] === undefined ? signature.toString("base64") : "";
  return Buffer.concat([Buffer.from(`${unsigned}${b}\r\n`), section.bytes, body]);
}

/** The value of p=. */
export function publicKeyText(privateKey: KeyObject): string {
  const der = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  return (privateKey.asymmetricKeyType === "ed25519" ? der.subarray(-32) : der).toString("base64");
}

/** Has `ed` and `rsa` of example.org; other records for `ed` where they are given. */
export function keyResolver(...records: string[]): StaticResolver {
  const ed = records.length > 0 ? records : [`v=DKIM1; k=ed25519; p=${publicKeyText(ed25519Key)}`];
  return new StaticResolver()
    .add("ed._domainkey.example.org", "TXT", ...ed)
    .add("rsa._domainkey.example.org", "TXT", `v=DKIM1; p=${publicKeyText(rsaKey)}`);
}

export interface VerifyWish {
  readonly resolver?: Resolver;
  readonly now?: number;
  readonly signaturesMax?: number;
  /** Offsets at which the content is cut. */
  readonly cuts?: readonly number[];
}

/** Feeds a message to a verifier as the session does. */
export async function verifyMessage(message: Buffer, wish: VerifyWish = {}): Promise<readonly DkimOutcome[]> {
  const collector = new HeaderCollector();
  const bodies = new BodyHashes();
  let verifier: DkimVerifier | undefined;
  const begin = (header: Buffer, rest: Buffer) => {
    verifier = new DkimVerifier(parseHeaderFields(header), bodies, {
      resolver: wish.resolver ?? keyResolver(),
      now: wish.now ?? signedAt,
      ...(wish.signaturesMax !== undefined && { signaturesMax: wish.signaturesMax }),
    });
    bodies.push(rest);
  };
  const cuts = [...(wish.cuts ?? []), message.length].toSorted((a, b) => a - b);
  let start = 0;
  for (const end of cuts) {
    const slice = message.subarray(start, Math.max(start, end));
    start = Math.max(start, end);
    if (verifier !== undefined) {
      bodies.push(slice);
      continue;
    }
    const progress = collector.push(slice);
    if (progress.kind === "complete") begin(progress.header, progress.rest);
    if (progress.kind === "too-large") throw new Error("the header section is too large");
  }
  if (verifier === undefined) {
    const last = collector.end();
    if (last.kind === "complete") begin(last.header, last.rest);
  }
  bodies.end();
  return (await verifier?.finish()) ?? [];
}

/** Result and reason of the only signature. */
export async function verdict(message: Buffer, wish: VerifyWish = {}): Promise<string> {
  const [outcome, ...more] = await verifyMessage(message, wish);
  if (outcome === undefined || more.length > 0) throw new Error("the message has not one signature");
  return `${outcome.result} ${outcome.reason}`;
}

/** The message with the first `from` replaced by `to`, both as they stand there. */
export function edited(message: Buffer, from: string, to: string): Buffer {
  const text = message.toString("latin1");
  if (!text.includes(from)) throw new Error(`${from} is not in the message`);
  return Buffer.from(
    text.replace(from, () => to),
    "latin1",
  );
}

/** The first field of a message, as {@link signMessage} puts its signature there. */
export function signatureOf(message: Buffer): Buffer {
  return message.subarray(0, message.indexOf("\r\n") + 2);
}
