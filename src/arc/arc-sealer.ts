/**
 * Adds an ARC set to a message (RFC 8617 §5.1): what we found on receipt, the message as it leaves, and a seal on both.
 *
 * Owns the three fields. Promises relaxed/relaxed, no l=, a message signature that covers neither
 * Authentication-Results nor ARC fields (§4.1.2), and nothing added where nothing may be: to a chain whose newest seal
 * says that it failed, to one of fifty sets, to a message that can be read in two ways. Whether the chain is good, and
 * whose key is used, is decided elsewhere.
 */
import type { BodyHash, BodyHashes } from "../dkim/body-hashes.ts";
import { headerHashInput } from "../dkim/canonicalization.ts";
import { signedFieldNames } from "../dkim/signed-fields.ts";
import { FoldedTags, foldBase64, signData } from "../dkim/signer.ts";
import type { SigningKey } from "../dkim/signing-key.ts";
import type { UnsealedReason } from "../events/unsealed-reason.ts";
import type { Instant } from "../lib/instant.ts";
import type { HeaderSection } from "../message/header-section.ts";
import type { SignatureCrypto } from "../ports/crypto.ts";
import { instancesMax, readChain } from "./arc-chain.ts";
import type { ArcOutcome } from "./arc-outcome.ts";
import { SealedFields, type SealedSet } from "./sealed-fields.ts";

export interface ArcSealerOptions {
  /** Of RSA, since a chain fails permanently at whoever cannot check one of its seals. */
  readonly key: SigningKey;
  readonly crypto: SignatureCrypto;
  /** For t=. */
  readonly now: Instant;
  /** Name of the host that made the results, as in its Authentication-Results fields. */
  readonly authservId: string;
}

export interface SealedMessage {
  /** What our validator said of the message on receipt. */
  readonly arc: ArcOutcome;
  /** Our results behind the authserv-id, beginning with `;`, folded or not. */
  readonly results: string;
}

export type SealResult =
  /** `fields`: three whole fields for the top of the message. */
  { readonly kind: "sealed"; readonly fields: string } | { readonly kind: "unsealed"; readonly reason: UnsealedReason };

/** DKIM signatures that ours covers, from the bottom; more than that nobody judges. */
const dkimSignaturesMax = 20;

export class ArcSealer {
  readonly #header: HeaderSection;
  readonly #bodies: BodyHashes;
  readonly #bodyHash: BodyHash;
  readonly #options: ArcSealerOptions;

  /**
   * `header`: as it leaves, without our set. Before the first octet of the body goes into `bodies`, or later where
   * someone requested the hash of the relaxed body in time.
   */
  constructor(header: HeaderSection, bodies: BodyHashes, options: ArcSealerOptions) {
    this.#header = header;
    this.#bodies = bodies;
    this.#bodyHash = bodies.request("relaxed", "sha256");
    this.#options = options;
  }

  /** After `bodies.end()`. */
  async finish({ arc, results }: SealedMessage): Promise<SealResult> {
    const instance = arc.instance + 1;
    if (arc.newestSealSaysFail) return unsealed("chain-failed");
    if (instance > instancesMax) return unsealed("chain-full");
    if (this.#bodies.malformedStart) return unsealed("malformed-start");
    const names = this.#signedNames();
    if (names === undefined) return unsealed("unsignable-header");
    const earlier = this.#earlierSets(arc);
    if (earlier === undefined) return unsealed("chain-changed");
    const found = `ARC-Authentication-Results: i=${instance}; ${this.#options.authservId}${results.trimEnd()}\r\n`;
    const message = await this.#signMessage(instance, names);
    const set = { results: fieldOf(found), message: fieldOf(message) };
    return { kind: "sealed", fields: `${await this.#seal(instance, arc, earlier, set)}${message}${found}` };
  }

  /** What the message signature covers; undefined for messages that nobody can sign to any effect. */
  #signedNames(): readonly string[] | undefined {
    if (this.#header.all("from").length !== 1) return undefined;
    const names = signedFieldNames(this.#header);
    const signatures = Math.min(this.#header.all("dkim-signature").length, dkimSignaturesMax);
    return names === undefined ? undefined : [...names, ...Array.from({ length: signatures }, () => "dkim-signature")];
  }

  /** A seal on a failed chain covers its own set only (RFC 8617 §5.1.2). */
  #earlierSets({ result, instance }: ArcOutcome): readonly SealedSet[] | undefined {
    if (result !== "pass") return [];
    const chain = readChain(this.#header, this.#options.now);
    return chain.kind === "whole" && chain.instance === instance ? chain.sets : undefined;
  }

  async #signMessage(instance: number, names: readonly string[]): Promise<string> {
    const tags = this.#beginField("ARC-Message-Signature", instance);
    tags.add(" c=relaxed/relaxed;");
    tags.add(" h=");
    for (const [index, name] of names.entries()) tags.add(`${name}${index === names.length - 1 ? ";" : ":"}`, "");
    tags.add(` bh=${this.#bodyHash.digest().toString("base64")};`);
    const unsigned = `${tags.text}\r\n b=`;
    const data = headerHashInput({
      header: this.#header,
      names,
      canonicalization: "relaxed",
      signatureField: Buffer.from(unsigned),
    });
    return this.#sign(unsigned, data);
  }

  async #seal(
    instance: number,
    { result }: ArcOutcome,
    earlier: readonly SealedSet[],
    own: Omit<SealedSet, "seal">,
  ): Promise<string> {
    const tags = this.#beginField("ARC-Seal", instance);
    tags.add(` cv=${result};`);
    const unsigned = `${tags.text}\r\n b=`;
    const set = { ...own, seal: fieldOf(unsigned) };
    return this.#sign(unsigned, new SealedFields([...earlier, set]).under(set));
  }

  #beginField(name: string, instance: number): FoldedTags {
    const { key, now } = this.#options;
    const tags = new FoldedTags(`${name}: i=${instance};`);
    tags.add(` a=${key.algorithm};`);
    tags.add(` d=${key.domain};`);
    tags.add(` s=${key.selector};`);
    tags.add(` t=${Math.floor(now / 1000)};`);
    return tags;
  }

  /** `unsigned` ends in `b=`, on a line of its own. */
  async #sign(unsigned: string, data: Buffer): Promise<string> {
    const { key, crypto } = this.#options;
    const signature = await signData(key, data, crypto);
    return `${unsigned}${foldBase64(signature.toString("base64"), 3)}\r\n`;
  }
}

function unsealed(reason: UnsealedReason): SealResult {
  return { kind: "unsealed", reason };
}

function fieldOf(text: string): { readonly raw: Buffer } {
  return { raw: Buffer.from(text) };
}
