/**
 * SCRAM seen from the server (RFC 5802, RFC 7677), with and without channel binding. The password never crosses the wire,
 * and nothing that a listener or this server's storage holds is enough to log in.
 *
 * A wrong proof, a foreign nonce and a wrong channel binding end in the same refusal: the client is not told which.
 */
import {
  formatServerFinal,
  formatServerFirst,
  parseClientFinal,
  parseClientFirst,
  type ClientFirst,
} from "./scram-messages.ts";
import { isProof, type ScramDigest, serverSignature, type ScramVerifier } from "./scram-verifier.ts";
import type { ExchangeOptions, MechanismKind, MechanismStep, ServerMechanism } from "./server-mechanism.ts";
import { decodeUtf8 } from "./utf8.ts";

const encoder = new TextEncoder();
const empty = new Uint8Array(0);

export const scramSha256Plus = kind("SCRAM-SHA-256-PLUS", "sha256", true);
export const scramSha256 = kind("SCRAM-SHA-256", "sha256", false);
export const scramSha1Plus = kind("SCRAM-SHA-1-PLUS", "sha1", true);
export const scramSha1 = kind("SCRAM-SHA-1", "sha1", false);

function kind(name: string, digest: ScramDigest, plus: boolean): MechanismKind {
  return {
    name,
    acceptsInitialResponse: true,
    isPossible: ({ privateChannel, channelBinding, verifiers }) =>
      privateChannel && verifiers.has(digest) && (channelBinding || !plus),
    begin: (options) => new ScramExchange(digest, plus, options),
  };
}

type Phase =
  | { readonly kind: "first" }
  | {
      readonly kind: "final";
      readonly first: ClientFirst;
      readonly verifiers: readonly ScramVerifier[];
      readonly nonce: string;
      readonly serverFirst: string;
    }
  | { readonly kind: "conclusion" };

export class ScramExchange implements ServerMechanism {
  readonly #digest: ScramDigest;
  readonly #plus: boolean;
  readonly #options: ExchangeOptions;
  #phase: Phase = { kind: "first" };

  constructor(digest: ScramDigest, plus: boolean, options: ExchangeOptions) {
    this.#digest = digest;
    this.#plus = plus;
    this.#options = options;
  }

  respond(response: Uint8Array | undefined): MechanismStep {
    if (response === undefined) return { kind: "challenge", data: empty };
    const phase = this.#phase;
    switch (phase.kind) {
      case "first":
        return this.#onFirst(response);
      case "final":
        return this.#onFinal(response, phase);
      case "conclusion":
        return response.length === 0 ? { kind: "concluded" } : malformed("octets after the last message");
      default:
        return phase satisfies never;
    }
  }

  #onFirst(response: Uint8Array): MechanismStep {
    const text = decodeUtf8(response);
    const first = text === undefined ? undefined : parseClientFirst(text);
    if (first === undefined) return malformed("no client-first-message");
    const { flag, binding } = first.gs2;
    if (flag === "p" && !this.#plus) return malformed("channel binding with a mechanism that has none");
    if (flag !== "p" && this.#plus) return malformed("a -PLUS mechanism without channel binding");
    // RFC 5802 §6: the client can bind, and someone removed -PLUS from the list that it saw.
    if (flag === "y" && this.#options.bindingOffered)
      return malformed("the client was not shown that -PLUS is offered");
    if (binding !== undefined && this.#options.channelBinding(binding) === undefined) {
      return malformed("a channel binding type that this connection has not");
    }
    const found = (verifiers: readonly ScramVerifier[]) => this.#challenge(first, verifiers);
    return { kind: "lookup", username: first.username, digest: this.#digest, found };
  }

  #challenge(first: ClientFirst, verifiers: readonly ScramVerifier[]): MechanismStep {
    const [verifier] = verifiers;
    if (verifier === undefined) throw new Error("there is always a verifier, if need be one that is made up");
    const nonce = first.nonce + this.#options.nonce();
    const serverFirst = formatServerFirst({ nonce, salt: verifier.salt, iterations: verifier.iterations });
    this.#phase = { kind: "final", first, verifiers, nonce, serverFirst };
    return { kind: "challenge", data: encoder.encode(serverFirst) };
  }

  #onFinal(response: Uint8Array, state: Extract<Phase, { readonly kind: "final" }>): MechanismStep {
    const { first, verifiers, nonce, serverFirst } = state;
    this.#phase = { kind: "conclusion" };
    const text = decodeUtf8(response);
    const final = text === undefined ? undefined : parseClientFinal(text);
    if (final === undefined) return malformed("no client-final-message");
    if (final.nonce !== nonce) return malformed("another nonce");
    // RFC 5802 §6: header and data are compared, so that nobody stands between who was not there before.
    if (!Buffer.from(final.channelBinding).equals(this.#expectedBinding(first))) {
      return malformed("another channel binding");
    }
    const authMessage = `${first.bare},${serverFirst},${final.withoutProof}`;
    const fitting = verifiers.filter((verifier) => isProof(final.proof, verifier, authMessage));
    const [verifier] = fitting;
    const { authorizationId } = first.gs2;
    return {
      kind: "claim",
      claim: { kind: "proof", authorizationId, username: first.username, verifier },
      ...(verifier && {
        ifAccepted: encoder.encode(formatServerFinal(serverSignature(this.#digest, verifier.serverKey, authMessage))),
      }),
    };
  }

  #expectedBinding({ header, gs2 }: ClientFirst): Uint8Array {
    const data = gs2.binding === undefined ? undefined : this.#options.channelBinding(gs2.binding);
    return Buffer.concat([Buffer.from(header, "utf8"), data ?? empty]);
  }
}

function malformed(reason: string): MechanismStep {
  return { kind: "malformed", reason };
}
