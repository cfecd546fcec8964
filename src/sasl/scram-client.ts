/**
 * SCRAM seen from the client (RFC 5802, RFC 7677). The server has to prove that it knows the password, too: without its
 * signature the exchange is not complete, whatever reply code follows.
 */
import { timingSafeEqual } from "node:crypto";
import type { ClientChannel, ClientMechanism } from "./client-mechanism.ts";
import {
  formatClientFinal,
  formatClientFinalWithoutProof,
  formatClientFirstBare,
  formatGs2Header,
  type Gs2Header,
  parseServerFinal,
  parseServerFirst,
} from "./scram-messages.ts";
import { clientProof, type ScramDigest, scramVerifierOf, serverSignature } from "./scram-verifier.ts";
import { prepareString } from "./string-preparation.ts";
import { decodeUtf8 } from "./utf8.ts";

/** RFC 7677 §4: fewer make a stolen answer cheap to guess from. */
const iterationsMin = 4096;
/** Some 40 ms of one core. A server that wants more wants us to be busy. */
const iterationsMax = 131_072;
const empty = new Uint8Array(0);
const encoder = new TextEncoder();

export interface ScramClientOptions {
  readonly name: string;
  readonly digest: ScramDigest;
  readonly username: string;
  readonly password: string;
  readonly flag: Gs2Header["flag"];
  /** "" or absent: nobody but `username`. */
  readonly authorizationId?: string;
  readonly channel: ClientChannel;
  /** What is done to name and password; undefined: they are prohibited, and sent as they are. Default: SASLprep. */
  readonly prepare?: (text: string) => string | undefined;
}

type Phase =
  | { readonly kind: "server-first" }
  | { readonly kind: "server-final"; readonly signature: Uint8Array }
  | { readonly kind: "complete" }
  | { readonly kind: "failed" };

export class ScramClient implements ClientMechanism {
  readonly name: string;
  readonly initial: Uint8Array;
  readonly #options: ScramClientOptions;
  readonly #nonce: string;
  readonly #header: string;
  readonly #bare: string;
  #phase: Phase = { kind: "server-first" };

  constructor(options: ScramClientOptions) {
    const { name, username, flag, channel, authorizationId = "" } = options;
    this.name = name;
    this.#options = options;
    this.#nonce = channel.nonce();
    const binding = flag === "p" && channel.channelBinding ? { binding: channel.channelBinding.type } : {};
    this.#header = formatGs2Header({ flag, authorizationId, ...binding });
    this.#bare = formatClientFirstBare(this.#prepared(username), this.#nonce);
    this.initial = encoder.encode(this.#header + this.#bare);
  }

  get complete(): boolean {
    return this.#phase.kind === "complete";
  }

  respond(challenge: Uint8Array): Uint8Array | undefined {
    const text = decodeUtf8(challenge);
    const phase = this.#phase;
    this.#phase = { kind: "failed" };
    if (text === undefined) return undefined;
    if (phase.kind === "server-first") return this.#onServerFirst(text);
    return phase.kind === "server-final" ? this.#onServerFinal(text, phase.signature) : undefined;
  }

  #prepared(text: string): string {
    const { prepare = prepareString } = this.#options;
    return prepare(text) ?? text;
  }

  #onServerFirst(text: string): Uint8Array | undefined {
    const first = parseServerFirst(text);
    if (first === undefined) return undefined;
    const { nonce, salt, iterations } = first;
    // RFC 5802 §5.1: it has to begin with ours, and to add something.
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) return undefined;
    if (iterations < iterationsMin || iterations > iterationsMax || salt.length === 0) return undefined;
    const { digest, password, channel, flag } = this.#options;
    const salted = channel.derive(this.#prepared(password), { digest, iterations, salt });
    const bound = flag === "p" ? (channel.channelBinding?.data ?? empty) : empty;
    const withoutProof = formatClientFinalWithoutProof(
      Buffer.concat([Buffer.from(this.#header, "utf8"), bound]),
      nonce,
    );
    const authMessage = `${this.#bare},${text},${withoutProof}`;
    const { serverKey } = scramVerifierOf(salted, { digest, iterations, salt });
    this.#phase = { kind: "server-final", signature: serverSignature(digest, serverKey, authMessage) };
    return encoder.encode(formatClientFinal(withoutProof, clientProof(digest, salted, authMessage)));
  }

  #onServerFinal(text: string, expected: Uint8Array): Uint8Array | undefined {
    const final = parseServerFinal(text);
    if (final === undefined || "error" in final || final.signature.length !== expected.length) return undefined;
    if (!timingSafeEqual(final.signature, expected)) return undefined;
    this.#phase = { kind: "complete" };
    return empty;
  }
}
