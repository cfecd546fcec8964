/**
 * Verification of all DKIM signatures of a message (RFC 6376 §6, RFC 8301, RFC 8463).
 *
 * Owns the order of the checks and the verdict on each signature, judged alone. Keys are asked for when the header
 * section is known, the body is hashed while it arrives, and what is left for the end takes 50 µs. Never sees the
 * content itself: the header section and the body hashes are given to it.
 *
 * Bounds: ten key queries, ten hashes of the body and of the signed fields, a hundred fields read. Whatever else there
 * is, is `too-many-signatures`. Ten signatures over all of a header section of a megabyte take 0.1 s of a core.
 */
import type { Instant } from "../lib/instant.ts";
import type { HeaderField, HeaderSection } from "../message/header-section.ts";
import { hasStrayOctets } from "../message/header-end.ts";
import type { Resolver } from "../ports/resolver.ts";
import type { BodyHash, BodyHashes } from "./body-hashes.ts";
import { headerHashInput } from "./canonicalization.ts";
import type { DkimOutcome, DkimResult } from "./dkim-outcome.ts";
import { fetchPublicKey, verifySignature, type FetchedKey, type KeyProblem } from "./public-key.ts";
import { parseSignatureField, type Signature, type SignatureProblem } from "./signature-field.ts";

export interface DkimVerifierOptions {
  readonly resolver: Resolver;
  readonly now: Instant;
  /** Signatures judged, from the top; by default 10, which is more than any honest path of a message adds. */
  readonly signaturesMax?: number;
  /** Ends the look-ups. */
  readonly signal?: AbortSignal;
}

const signaturesMaxDefault = 10;
/** Fields that cannot be judged cost no query but still to be read. */
const fieldsReadMax = 100;

/** RFC 8301 §3.2: shorter keys MUST NOT be accepted, keys up to 4096 MUST be. A longer one takes a millisecond. */
const rsaBitsMin = 1024;
const rsaBitsMax = 4096;

type Candidate =
  | { readonly kind: "judged"; readonly field: HeaderField; readonly signature: Signature; readonly bodyHash: BodyHash }
  | { readonly kind: "refused"; readonly problem: SignatureProblem }
  | { readonly kind: "too-many" };

export class DkimVerifier {
  readonly #header: HeaderSection;
  readonly #bodies: BodyHashes;
  readonly #candidates: readonly Candidate[];
  /** One for each candidate that is judged, in their order. */
  readonly #keys: Promise<readonly (FetchedKey | KeyProblem)[]>;

  /** Before the body arrives. */
  constructor(header: HeaderSection, bodies: BodyHashes, options: DkimVerifierOptions) {
    this.#header = header;
    this.#bodies = bodies;
    const keys: Promise<FetchedKey | KeyProblem>[] = [];
    const judgedMax = options.signaturesMax ?? signaturesMaxDefault;
    const { resolver, now, signal } = options;
    this.#candidates = header.all("dkim-signature").map((field, index): Candidate => {
      if (keys.length === judgedMax || index >= fieldsReadMax) return { kind: "too-many" };
      const signature = parseSignatureField(field, now);
      if (signature.kind === "problem") return { kind: "refused", problem: signature };
      keys.push(fetchPublicKey(resolver, signature.about, signal === undefined ? {} : { signal }));
      const bodyHash = bodies.request(signature.bodyCanonicalization, "sha256", signature.bodyLength);
      return { kind: "judged", field, signature, bodyHash };
    });
    this.#keys = Promise.all(keys);
    // A fault is reported by finish(), if it comes to that: the client may go away before.
    this.#keys.catch(() => undefined);
  }

  /** After `bodies.end()`. One outcome for each signature, in the order of their fields. */
  async finish(): Promise<readonly DkimOutcome[]> {
    if (this.#candidates.length === 0) return [];
    const keys = await this.#keys;
    const refusal = this.#refusalOfMessage();
    let judged = 0;
    return this.#candidates.map((candidate): DkimOutcome => {
      switch (candidate.kind) {
        case "too-many":
          return tooMany;
        case "refused":
          return { ...candidate.problem.about, ...verdictOf(candidate.problem), testing: false };
        case "judged": {
          const key = keys[judged++];
          if (key === undefined) throw new Error("a signature without the answer for its key");
          return this.#judge(candidate, key, refusal);
        }
        default:
          return candidate satisfies never;
      }
    });
  }

  #judge(
    candidate: Extract<Candidate, { kind: "judged" }>,
    key: FetchedKey | KeyProblem,
    refusal: SignatureVerdict | undefined,
  ): DkimOutcome {
    const { signature, field, bodyHash } = candidate;
    if (key.kind === "problem") {
      return { ...signature.about, ...verdictOf(key), testing: key.record?.testing ?? false };
    }
    let verdict = checkKey(signature, key) ?? checkBody(signature, bodyHash);
    if (verdict === undefined) {
      const good = verifySignature({
        key: key.key,
        algorithm: signature.algorithm,
        data: headerHashInput({
          header: this.#header,
          names: signature.names,
          canonicalization: signature.headerCanonicalization,
          signatureField: field.raw,
        }),
        signature: signature.signature,
      });
      verdict = good
        ? (refusal ?? checkTail(signature, bodyHash) ?? goodSignature)
        : { result: "fail", reason: "signature-mismatch", detail: "the signature does not fit the signed fields" };
    }
    const outcome = { ...signature.about, ...verdict, testing: key.record.testing };
    return key.key.type === "rsa" ? { ...outcome, keyBits: key.key.bits } : outcome;
  }

  /** Why no signature of this message may pass, however good: readers could see other content than was signed. */
  #refusalOfMessage(): SignatureVerdict | undefined {
    if (this.#bodies.malformedStart || hasStrayOctets(this.#header.bytes)) {
      return { result: "policy", reason: "malformed-header", detail: "the header section can be read in several ways" };
    }
    // RFC 6376 §8.15: the signature covers one of them, and the reader may be shown another.
    if (this.#header.all("from").length > 1) {
      return { result: "policy", reason: "several-from", detail: "the message has several From fields" };
    }
    return undefined;
  }
}

export interface SignatureVerdict {
  readonly result: DkimResult;
  readonly reason: string;
  readonly detail: string;
}

const goodSignature: SignatureVerdict = { result: "pass", reason: "good-signature", detail: "the signature is good" };

const tooMany: DkimOutcome = {
  result: "policy",
  reason: "too-many-signatures",
  detail: "the message has more signatures than are judged",
  domain: "",
  selector: "",
  algorithm: "",
  signatureStart: "",
  testing: false,
};

function verdictOf({ result, reason, detail }: SignatureVerdict): SignatureVerdict {
  return { result, reason, detail };
}

/** May this key speak for this signature? (RFC 6376 §6.1.2) */
export function checkKey(signature: Signature, { key, record }: FetchedKey): SignatureVerdict | undefined {
  if (record.hashes !== undefined && !record.hashes.includes("sha256")) {
    return permerror("hash-not-allowed", "h= of the key does not allow SHA-256");
  }
  if (!signature.algorithm.startsWith(`${record.type}-`)) {
    return permerror("key-type-mismatch", `the key is one for ${record.type}`);
  }
  if (key.type === "rsa" && key.bits < rsaBitsMin) {
    return permerror("key-too-small", `an RSA key of ${key.bits} bits proves nothing`);
  }
  if (key.type === "rsa" && key.bits > rsaBitsMax) {
    return { result: "policy", reason: "key-too-large", detail: `RSA keys above ${rsaBitsMax} bits are not used here` };
  }
  if (record.strictIdentity && !signature.identityIsDomain) {
    return permerror("identity-mismatch", "the key forbids an i= below d=");
  }
  return undefined;
}

function checkBody(signature: Signature, bodyHash: BodyHash): SignatureVerdict | undefined {
  if (signature.bodyLength !== undefined && signature.bodyLength > bodyHash.canonicalLength) {
    return { result: "fail", reason: "body-too-short", detail: "the body is shorter than l= says" };
  }
  if (bodyHash.digest().equals(signature.bodyHash)) return undefined;
  return { result: "fail", reason: "body-hash-mismatch", detail: "the body was changed after signing" };
}

/**
 * RFC 6376 §8.2: what follows l= can be anyone's, and can hide what was signed. The last CRLF alone cannot: every
 * canonical body ends in one (§3.4.3), and some signers do not count it.
 */
function checkTail({ bodyLength }: Signature, { canonicalLength }: BodyHash): SignatureVerdict | undefined {
  if (bodyLength === undefined || canonicalLength - bodyLength === 0) return undefined;
  if (bodyLength > 0 && canonicalLength - bodyLength === lineEndBytes) return undefined;
  return { result: "policy", reason: "unsigned-tail", detail: "a part of the body is not signed (l=)" };
}

const lineEndBytes = 2;

function permerror(reason: string, detail: string): SignatureVerdict {
  return { result: "permerror", reason, detail };
}
