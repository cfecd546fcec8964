/** From some names to a certificate for them: order, proofs, request, download (RFC 8555 §7.1). */
import type { Clock } from "../ports/clock.ts";
import { AcmeError, type AcmeClient } from "./acme-client.ts";
import { type ChallengeType, type Proof, proofOf } from "./challenge.ts";
import { type Authorization, type Order, problemWords } from "./messages.ts";
import { stepOfAuthorization, stepOfOrder } from "./order-steps.ts";

/** Where no Retry-After says how long to wait. */
const pollMs = 2000;
const pollMaxMs = 60_000;
/** Authorities look at a proof from several places within seconds, and give up after a few minutes themselves. */
const patienceMs = 600_000;

/** Shows proofs to the authority. */
export interface Prover {
  readonly type: ChallengeType;
  /** Resolves when the authority may look; rejects with words for the operator. */
  show(proof: Proof): Promise<void>;
  /** Called once for each that was shown, or tried to be. Must not reject. */
  withdraw(proof: Proof): Promise<void>;
}

export interface WantedCertificate {
  readonly names: readonly string[];
  readonly keyPem: string;
  /** The ARI identifier of the certificate that is renewed. */
  readonly replaces?: string | undefined;
}

export interface ObtainPorts {
  readonly client: AcmeClient;
  readonly prover: Prover;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

/** The chain as PEM. Rejects with {@link AcmeError}. */
export async function obtainCertificate(ports: ObtainPorts, wanted: WantedCertificate): Promise<string> {
  const { client, clock } = ports;
  const until = clock.monotonicMs() + patienceMs;
  const { url, order: first } = await newOrder(client, wanted);
  let order = first;
  let finalized = false;
  let retryAfterMs: number | undefined;
  for (;;) {
    switch (stepOfOrder(order, { finalized })) {
      case "authorize":
        for (const authorization of order.authorizations) await prove(ports, authorization, until);
        break;
      case "finalize":
        order = await client.finalize(order, wanted.keyPem, wanted.names);
        finalized = true;
        continue;
      case "wait":
        await rest(ports, retryAfterMs, until);
        break;
      case "download":
        if (order.certificate === undefined) throw new AcmeError("the authority names no certificate");
        return await client.certificate(order.certificate);
      case "failed":
        throw failure(order);
    }
    const polled = await client.order(url);
    // Proofs are taken by now, so an order that is still pending lags behind.
    if (polled.value.status === "pending") await rest(ports, polled.retryAfterMs, until);
    order = polled.value;
    retryAfterMs = polled.retryAfterMs;
  }
}

/** An authority may refuse to count this order as the renewal of that certificate (RFC 9773 §5): it is a new one then. */
async function newOrder(client: AcmeClient, { names, replaces }: WantedCertificate) {
  try {
    return await client.newOrder(names, replaces);
  } catch (error) {
    const mayDoWithout = ["alreadyReplaced", "conflict", "malformed"];
    if (replaces === undefined || !(error instanceof AcmeError) || !mayDoWithout.includes(error.code ?? ""))
      throw error;
    return await client.newOrder(names, undefined);
  }
}

async function prove(ports: ObtainPorts, url: string, until: number): Promise<void> {
  const { client, prover } = ports;
  let { value: authorization, retryAfterMs } = await client.authorization(url);
  if (stepOfAuthorization(authorization) === "proven") return;
  const { value: name } = authorization.identifier;
  const challenge = authorization.challenges.find(({ type }) => type === prover.type);
  if (challenge?.token === undefined) {
    const offered = authorization.challenges.map(({ type }) => type).join(", ");
    throw new AcmeError(`the authority offers no ${prover.type} for ${name}, only ${offered || "nothing"}`);
  }
  const proof = proofOf(prover.type, name, challenge.token, client.thumbprint);
  try {
    await show(prover, proof);
    if (challenge.status === "pending") await client.ready(challenge);
    while (stepOfAuthorization(authorization) === "prove") {
      await rest(ports, retryAfterMs, until);
      ({ value: authorization, retryAfterMs } = await client.authorization(url));
    }
  } finally {
    await prover.withdraw(proof);
  }
  if (stepOfAuthorization(authorization) === "failed") throw refusedProof(authorization, prover.type);
}

async function show(prover: Prover, proof: Proof): Promise<void> {
  try {
    await prover.show(proof);
  } catch (cause) {
    const message = `the proof for ${proof.name} by ${proof.type} could not be shown: ${(cause as Error).message}`;
    throw new AcmeError(message, { cause });
  }
}

function refusedProof({ identifier, challenges, status }: Authorization, type: ChallengeType): AcmeError {
  const error = challenges.find((challenge) => challenge.type === type && challenge.error !== undefined)?.error;
  const words = error === undefined ? `the authorization is ${status}` : problemWords(error);
  return new AcmeError(`${identifier.value} was not proven by ${type}: ${words}`, { code: "unproven" });
}

function failure({ error }: Order): AcmeError {
  return new AcmeError(error === undefined ? "the authority gave the order up" : problemWords(error));
}

async function rest({ clock, signal }: ObtainPorts, retryAfterMs: number | undefined, until: number): Promise<void> {
  const ms = Math.min(retryAfterMs ?? pollMs, pollMaxMs);
  if (clock.monotonicMs() + ms > until) {
    throw new AcmeError(`the authority took more than ${patienceMs / 60_000} minutes`);
  }
  await clock.sleep(ms, signal && { signal });
}
