/**
 * DKIM-Signature fields, read and checked for all that needs neither key nor body (RFC 6376 §3.5, §6.1.1).
 *
 * Owns the syntax and the rules between tags. What is not a usable signature comes back as a verdict with its reason.
 */
import { domainKeyOf } from "../address/domain.ts";
import { scanLocalPart } from "../address/mailbox-grammar.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { HeaderField } from "../message/header-section.ts";
import type { Instant } from "../lib/instant.ts";
import type { Canonicalization } from "./canonicalization.ts";
import type { DkimResult } from "./dkim-outcome.ts";
import type { SigningAlgorithm } from "./signing-key.ts";
import { colonList, decodeBase64, parseTagList, withoutSpace } from "./tag-list.ts";

/** What identifies a signature in results, as far as it could be read. */
export interface SignatureIdentity {
  /** A-labels, lower case. */
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: string;
  readonly identity?: string;
  readonly signatureStart: string;
}

export interface Signature {
  readonly kind: "signature";
  readonly about: SignatureIdentity;
  readonly algorithm: SigningAlgorithm;
  readonly headerCanonicalization: Canonicalization;
  readonly bodyCanonicalization: Canonicalization;
  /** h=, as written. */
  readonly names: readonly string[];
  /** bh=: 32 octets. */
  readonly bodyHash: Buffer;
  readonly signature: Buffer;
  /** l= */
  readonly bodyLength: number | undefined;
  /** The domain of i= is d= itself. */
  readonly identityIsDomain: boolean;
}

export interface SignatureProblem {
  readonly kind: "problem";
  readonly about: SignatureIdentity;
  readonly result: Extract<DkimResult, "permerror">;
  readonly reason: string;
  readonly detail: string;
}

/** An h= of a hundred names and an RSA-4096 signature make 3 KB. It also bounds the names, to 32,768. */
const fieldBytesMax = 64 * 1024;
/** Owner name of a key record, which is all of s= and d= that DNS can carry. */
const keyNameLengthMax = 253;
/** Shown of b=; RFC 6008 §4 asks for eight at least. */
const signatureStartLength = 8;
const sha256Bytes = 32;

const required = ["v", "a", "b", "bh", "d", "h", "s"] as const;

export function parseSignatureField(field: HeaderField, now: Instant): Signature | SignatureProblem {
  if (field.end - field.start > fieldBytesMax) {
    return problem(unknown, "signature-too-large", "the field is longer than 64 KB");
  }
  const tags = parseTagList(field.value);
  if (tags === undefined) return problem(unknown, "signature-syntax", "the field is no list of distinct tags");
  return readSignatureTags(tags, now);
}

/** The same of tags that were read already, as ARC's fields have them. */
export function readSignatureTags(tags: ReadonlyMap<string, string>, now: Instant): Signature | SignatureProblem {
  return new FieldReader(tags).read(now);
}

const unknown: SignatureIdentity = { domain: "", selector: "", algorithm: "", signatureStart: "" };

class FieldReader {
  readonly #tags: ReadonlyMap<string, string>;
  readonly #about: SignatureIdentity;

  constructor(tags: ReadonlyMap<string, string>) {
    this.#tags = tags;
    const identity = tags.get("i");
    const about: SignatureIdentity = {
      domain: domainKeyOf(this.#tag("d")) ?? "",
      selector: selectorOf(this.#tag("s")),
      algorithm: asciiLowerCase(this.#tag("a")),
      signatureStart: withoutSpace(this.#tag("b").slice(0, 2 * signatureStartLength)).slice(0, signatureStartLength),
    };
    this.#about = identity === undefined ? about : { ...about, identity };
  }

  read(now: Instant): Signature | SignatureProblem {
    const missing = required.find((name) => !this.#tags.has(name));
    if (missing !== undefined) return this.#problem("tag-missing", `${missing}= is missing`);
    if (this.#tag("v") !== "1") return this.#problem("version-unknown", "v= is not 1");
    const { algorithm } = this.#about;
    // RFC 8301 §3.1: neither made nor accepted.
    if (algorithm === "rsa-sha1") return this.#problem("sha1-refused", "rsa-sha1 proves nothing any more");
    if (algorithm !== "rsa-sha256" && algorithm !== "ed25519-sha256") {
      return this.#problem("algorithm-unknown", "a= names no known algorithm");
    }
    const forms = canonicalizations(this.#tags.get("c"));
    if (forms === undefined) return this.#problem("canonicalization-unknown", "c= names no known canonicalization");
    const misplaced = this.#checkNames() ?? this.#checkTimes(now);
    if (misplaced !== undefined) return misplaced;
    const names = colonList(this.#tag("h"));
    if (names === undefined) return this.#problem("signature-syntax", "h= is no list of field names");
    // RFC 6376 §6.1.1: the author must be covered.
    if (!names.some((name) => name.length === 4 && asciiLowerCase(name) === "from")) {
      return this.#problem("from-not-signed", "h= does not name the From field");
    }
    const bodyLength = this.#tags.get("l");
    if (bodyLength !== undefined && !/^[0-9]{1,76}$/.test(bodyLength)) {
      return this.#problem("signature-syntax", "l= is no number");
    }
    const signature = decodeBase64(this.#tag("b"));
    if (signature === undefined) return this.#problem("signature-syntax", "b= is not base64");
    const bodyHash = decodeBase64(this.#tag("bh"));
    if (bodyHash?.length !== sha256Bytes) return this.#problem("signature-syntax", "bh= is no SHA-256 hash");
    return {
      kind: "signature",
      about: this.#about,
      algorithm,
      ...forms,
      names,
      bodyHash,
      signature,
      bodyLength: bodyLength === undefined ? undefined : Number(bodyLength),
      identityIsDomain: this.#identityDomain() === this.#about.domain,
    };
  }

  /** d=, s=, i= and q=. */
  #checkNames(): SignatureProblem | undefined {
    const { domain, selector } = this.#about;
    // RFC 6376 §3.5: a domain-name has two labels at least. An address literal is none.
    if (!domain.includes(".") || domain.startsWith("[")) {
      return this.#problem("domain-invalid", "d= is no domain name");
    }
    if (selector === "" || selector.startsWith("[")) {
      return this.#problem("selector-invalid", "s= is no selector");
    }
    if (domain.length + selector.length + "._domainkey.".length > keyNameLengthMax) {
      return this.#problem("selector-invalid", "s= and d= together are longer than a DNS name can be");
    }
    const identityDomain = this.#identityDomain();
    if (identityDomain !== domain && identityDomain?.endsWith(`.${domain}`) !== true) {
      return this.#problem("identity-mismatch", "i= is neither d= nor below it");
    }
    const methods = this.#tags.get("q");
    if (methods !== undefined && colonList(methods)?.includes("dns/txt") !== true) {
      return this.#problem("query-unknown", "q= names no known way to the key");
    }
    return undefined;
  }

  /** t= and x=, in seconds. RFC 6376 §3.5 wants 10^12 understood; a double holds a thousand times that. */
  #checkTimes(now: Instant): SignatureProblem | undefined {
    const signed = this.#tags.get("t");
    const expires = this.#tags.get("x");
    for (const time of [signed, expires]) {
      if (time !== undefined && !/^[0-9]{1,15}$/.test(time))
        return this.#problem("time-invalid", "t= or x= is no time");
    }
    if (expires === undefined) return undefined;
    if (signed !== undefined && Number(expires) <= Number(signed)) {
      return this.#problem("time-invalid", "x= is not after t=");
    }
    if (Number(expires) * 1000 < now) return this.#problem("signature-expired", "x= is in the past");
    return undefined;
  }

  /** Of i=, which defaults to d=. */
  #identityDomain(): string | undefined {
    if (this.#about.identity === undefined) return this.#about.domain;
    const identity = decodeQuotedPrintable(this.#about.identity);
    // The local-part may be a quoted string with an "@" of its own; the domain has none.
    const at = identity.lastIndexOf("@");
    const localPart = scanLocalPart(identity, 0);
    const sound = at === 0 || (localPart.kind === "local-part" && localPart.end === at);
    return at === -1 || !sound ? undefined : domainKeyOf(identity.slice(at + 1));
  }

  #tag(name: string): string {
    return this.#tags.get(name) ?? "";
  }

  #problem(reason: string, detail: string): SignatureProblem {
    return problem(this.#about, reason, detail);
  }
}

/** Of i=: folding white space counts for nothing, and any octet may be written in hexadecimal (RFC 6376 §2.11). */
function decodeQuotedPrintable(text: string): string {
  return withoutSpace(text).replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** As a domain, but for the underscore, which the grammar does not know and some large senders use. "": none. */
function selectorOf(text: string): string {
  return domainKeyOf(text) ?? (/^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){0,9}$/i.test(text) ? asciiLowerCase(text) : "");
}

/** "header/body"; what is not said is simple (RFC 6376 §3.5, c=). */
function canonicalizations(
  value: string | undefined,
): Pick<Signature, "headerCanonicalization" | "bodyCanonicalization"> | undefined {
  const [header = "", body = "simple", ...more] = asciiLowerCase(value ?? "simple/simple").split("/", 3);
  if (!isCanonicalization(header) || !isCanonicalization(body) || more.length > 0) return undefined;
  return { headerCanonicalization: header, bodyCanonicalization: body };
}

function isCanonicalization(name: string): name is Canonicalization {
  return name === "simple" || name === "relaxed";
}

function problem(about: SignatureIdentity, reason: string, detail: string): SignatureProblem {
  return { kind: "problem", about, result: "permerror", reason, detail };
}
