/**
 * Key records as they stand in DNS (RFC 6376 §3.6.1, RFC 8301 §3.2, RFC 8463 §4), read into a public key.
 *
 * Owns the syntax and which keys are taken at all. Where the record comes from is public-key.ts's matter.
 */
import { createPublicKey, type KeyObject } from "node:crypto";
import { asciiLowerCase, asciiUpperCase } from "../lib/ascii-case.ts";
import { colonList, decodeBase64, parseTagList, withoutSpace } from "./tag-list.ts";

export type KeyType = "rsa" | "ed25519";

export interface PublicKey {
  readonly type: KeyType;
  readonly object: KeyObject;
  /** Of the modulus; 256 for Ed25519. */
  readonly bits: number;
}

export interface KeyRecord {
  readonly type: KeyType;
  /** "revoked": p= is empty. */
  readonly key: PublicKey | "revoked";
  /** h=, lower case; undefined: any hash. */
  readonly hashes: readonly string[] | undefined;
  /** s= is absent or holds `*` or `email`. */
  readonly forEmail: boolean;
  /** t=y: the domain is testing. */
  readonly testing: boolean;
  /** t=s: i= may not be below d=. */
  readonly strictIdentity: boolean;
}

export type KeyRecordResult =
  | { readonly kind: "record"; readonly record: KeyRecord }
  /** Text of another kind that happens to stand there. */
  | { readonly kind: "not-dkim" }
  | { readonly kind: "malformed"; readonly detail: string };

/** An RSA key of 4096 bits takes 740; the answer of a resolver could bring 64 KB. */
const recordLengthMax = 8 * 1024;
/** Checking takes time by the length of the exponent; keys in use have 17 bits, and OpenSSL draws the line here. */
const exponentMax = 1n << 64n;

export function parseKeyRecord(text: string): KeyRecordResult {
  if (text.length > recordLengthMax) return malformed("the key record is longer than 8 KB");
  const claimed = /^[ \t\r\n]*v[ \t\r\n]*=[ \t\r\n]*DKIM/.test(text);
  const tags = parseTagList(text);
  if (tags === undefined) {
    const meant = claimed || /(?:^|;)[ \t\r\n]*p[ \t\r\n]*=/.test(text);
    return meant ? malformed("the key record is no list of distinct tags") : { kind: "not-dkim" };
  }
  const version = tags.get("v");
  if (version !== undefined && version !== "DKIM1") {
    return claimed ? malformed("v= is not DKIM1") : { kind: "not-dkim" };
  }
  if (version !== undefined && !claimed) return malformed("v= is not the first tag");
  const encoded = tags.get("p");
  if (encoded === undefined) return version === undefined ? { kind: "not-dkim" } : malformed("p= is missing");
  const type = tags.get("k") ?? "rsa";
  if (type !== "rsa" && type !== "ed25519") return malformed(`k=${type.slice(0, 40)} is not known`);
  const key = withoutSpace(encoded) === "" ? "revoked" : readKey(type, encoded);
  if (typeof key === "string" && key !== "revoked") return malformed(key);
  const flags = colonList(tags.get("t") ?? "") ?? [];
  const services = tags.get("s");
  return {
    kind: "record",
    record: {
      type,
      key,
      hashes: tags.has("h") ? (colonList(asciiLowerCase(tags.get("h") ?? "")) ?? []) : undefined,
      forEmail: services === undefined || (colonList(services) ?? []).some((s) => s === "*" || s === "email"),
      testing: flags.includes("y"),
      strictIdentity: flags.includes("s"),
    },
  };
}

/** The key, or what is wrong with it. */
function readKey(type: KeyType, encoded: string): PublicKey | string {
  const bytes = decodeBase64(encoded);
  if (bytes === undefined) return `p= is not base64: ${strayLetter(encoded)}`;
  return type === "rsa" ? readRsaKey(bytes) : readEd25519Key(bytes);
}

/** What in p= is none of the letters of base64, in words. */
function strayLetter(encoded: string): string {
  let end = encoded.length;
  while (end > 0 && /[= \t\r\n]/.test(encoded.charAt(end - 1))) end--;
  const [letter] = /[^A-Za-z0-9+/ \t\r\n]/u.exec(encoded.slice(0, end)) ?? [];
  if (letter === undefined) return "it is cut off";
  if (/["'\u2018-\u201f]/.test(letter)) return "it has quotation marks inside; its parts were joined with them";
  const code = letter.codePointAt(0) ?? 0;
  return code > 0x20 && code < 0x7f
    ? `it has "${letter}" inside`
    : `it has the character U+${asciiUpperCase(code.toString(16)).padStart(4, "0")} inside`;
}

/** SubjectPublicKeyInfo, which all publish, or the bare RSAPublicKey that RFC 6376 §3.6.1 speaks of. */
function readRsaKey(der: Buffer): PublicKey | string {
  const object = rsaKeyObject(der, "spki") ?? rsaKeyObject(der, "pkcs1");
  const { modulusLength, publicExponent } = object?.asymmetricKeyDetails ?? {};
  if (object?.asymmetricKeyType !== "rsa" || modulusLength === undefined || publicExponent === undefined) {
    return "p= is no RSA key";
  }
  if (publicExponent >= exponentMax) return "the exponent of the RSA key is longer than 64 bits";
  return { type: "rsa", object, bits: modulusLength };
}

function rsaKeyObject(der: Buffer, type: "spki" | "pkcs1"): KeyObject | undefined {
  try {
    return createPublicKey({ key: der, format: "der", type });
  } catch {
    // OpenSSL's way to say that these octets are no such key.
    return undefined;
  }
}

/** What makes a SubjectPublicKeyInfo of the 32 octets that follow (RFC 8410 §4). */
const ed25519Prefix = Buffer.from("302a300506032b6570032100", "hex");
const ed25519Bytes = 32;

function readEd25519Key(bytes: Buffer): PublicKey | string {
  if (bytes.length !== ed25519Bytes) return "p= is not the 32 octets of an Ed25519 key";
  const object = createPublicKey({ key: Buffer.concat([ed25519Prefix, bytes]), format: "der", type: "spki" });
  return { type: "ed25519", object, bits: 256 };
}

function malformed(detail: string): KeyRecordResult {
  return { kind: "malformed", detail };
}
