/** AUTH (RFC 4954): runs the mechanism's exchange, and has somebody decide about what the client claims. */
import type { LoginResult } from "../../accounts/account-directory.ts";
import { whenReady } from "../../lib/when-ready.ts";
import { findMechanism } from "../../sasl/mechanisms.ts";
import type { MechanismStep, SignInClaim } from "../../sasl/server-mechanism.ts";
import { reply, type Reply } from "../../smtp/reply.ts";
import type { AuthEvent, AuthResponseEvent } from "../../smtp/server/event.ts";
import type { SessionPhase, SignInDecision } from "../session-phase.ts";
import { afterConduct } from "../conduct.ts";
import { leavePhase, phaseOf, type SessionState } from "../session-state.ts";
import { exchangeOptions, mechanismsOf, shownCertificate } from "../sign-in.ts";
import { answer, type SessionAction } from "../session-action.ts";

type Exchange = Extract<SessionPhase, { readonly kind: "exchange" }>;

const succeeded = reply(235, "2.7.0", "Authentication successful");
/** The same words whatever was wrong: a client must not learn which names exist (RFC 4954 §9). */
const refused = reply(535, "5.7.8", "Authentication credentials invalid");
const noMechanism = reply(504, "5.5.4", "This mechanism is not supported");
const serverFirst = reply(501, "5.7.0", "This mechanism does not accept an initial response");
const unavailable = reply(454, "4.7.0", "Temporary authentication failure, try again later");

export function beginAuth(state: SessionState, event: AuthEvent): SessionAction | Promise<SessionAction> {
  // The network may have been banned since the session began.
  return whenReady(state.services.admission.refusalOfBan(state.client), (ban) => {
    if (ban === undefined) return beginExchange(state, event);
    const { mechanism } = event;
    const { address: client } = state.client;
    const { reason } = ban;
    state.log.event("login-failed", {
      ...{ client, mechanism, username: "", reason },
      detail: undefined,
      retry_after_seconds: undefined,
      error: undefined,
    });
    return answer(ban.reply);
  });
}

/**
 * Thunderbird and others know no EXTERNAL: they show their certificate in the handshake and go on with MAIL. If it stands
 * for one user, that has established who it is (RFC 6409 §4.3). `goOn` is what MAIL does next; without a fitting
 * certificate it refuses as for any client that has not signed in. Where the certificate cannot be judged now, MAIL is deferred.
 */
export function afterCertificate(
  state: SessionState,
  goOn: () => SessionAction | Promise<SessionAction>,
): SessionAction | Promise<SessionAction> {
  if (state.client.login !== undefined || !mechanismsOf(state).tls.includes("EXTERNAL")) return goOn();
  return decide(state, { kind: "certificate", authorizationId: "" }).then((result) => {
    if (state.phases.state.kind === "over") return goOn();
    const mechanism = "TLS certificate";
    if (result.kind !== "accepted") {
      noteFailure(state, { mechanism, username: "" }, result);
      return result.kind === "refused" ? goOn() : answer(refusalOf(result));
    }
    signIn(state, { mechanism, username: "" }, result);
    return whenReady(state.services.admission.noteConduct(state.client, "login"), goOn);
  });
}

function beginExchange(state: SessionState, event: AuthEvent): SessionAction | Promise<SessionAction> {
  const kind = findMechanism(event.mechanism);
  if (kind === undefined) return answer(noMechanism);
  if (event.initialResponse !== undefined && !kind.acceptsInitialResponse) return answer(serverFirst);
  const server = kind.begin(exchangeOptions(state));
  state.phases.change("login", { kind: "exchange", mechanism: kind.name, server });
  return proceedAuth(state, event.initialResponse);
}

export function continueAuth(state: SessionState, event: AuthResponseEvent): SessionAction | Promise<SessionAction> {
  return proceedAuth(state, event.response);
}

function proceedAuth(state: SessionState, response: Uint8Array | undefined): SessionAction | Promise<SessionAction> {
  const exchange = phaseOf(state, "exchange");
  return take(state, exchange, exchange.server.respond(response));
}

/** `exchange`: the one under way. The client may be gone meanwhile, and the session with it. */
function take(state: SessionState, exchange: Exchange, step: MechanismStep): SessionAction | Promise<SessionAction> {
  switch (step.kind) {
    case "challenge":
      return { kind: "challenge", data: step.data };
    case "malformed": {
      const result = { kind: "refused", reason: "prohibited-characters" } as const;
      return endAuth(state, exchange, { username: "", result }, step.reason);
    }
    case "lookup": {
      const { username, digest, found } = step;
      return whenReady(state.services.accounts.verifiersOf(username, digest), (verifiers) =>
        take(state, exchange, found(verifiers)),
      );
    }
    case "claim":
      return decide(state, step.claim).then((result) => decided(state, exchange, step, result));
    case "concluded": {
      const { decision } = exchange;
      if (decision === undefined) throw new Error("an exchange was concluded without a decision");
      return endAuth(state, exchange, decision);
    }
    default:
      return step satisfies never;
  }
}

async function decide(state: SessionState, claim: SignInClaim): Promise<LoginResult> {
  const { services, client } = state;
  // Failures of others would lock everybody out who comes by the same proxy.
  const address = client.hidden === true ? "" : client.address;
  if (claim.kind !== "certificate") return await services.accounts.authenticate(claim, address);
  const shown = shownCertificate(state);
  if (shown === undefined) return { kind: "refused", reason: "unknown-key" };
  return await services.accounts.authenticate({ ...claim, ...shown }, address);
}

function decided(
  state: SessionState,
  exchange: Exchange,
  { claim, ifAccepted, ifRefused }: Extract<MechanismStep, { readonly kind: "claim" }>,
  result: LoginResult,
): SessionAction | Promise<SessionAction> {
  const decision: SignInDecision = { username: "username" in claim ? claim.username : claim.authorizationId, result };
  const data = result.kind === "accepted" ? ifAccepted : result.kind === "refused" ? ifRefused : undefined;
  if (data === undefined) return endAuth(state, exchange, decision);
  // RFC 4954 §4: what a mechanism says last is one more challenge, which the client answers with nothing.
  state.phases.change("decided", { ...exchange, decision });
  return { kind: "challenge", data };
}

function endAuth(
  state: SessionState,
  { mechanism }: Exchange,
  { username, result }: SignInDecision,
  malformed?: string,
): SessionAction | Promise<SessionAction> {
  leavePhase(state);
  const who = { mechanism, username };
  if (result.kind === "accepted") {
    signIn(state, who, result);
    return afterConduct(state, "login", answer(succeeded));
  }
  noteFailure(state, who, result, malformed);
  const action = answer(refusalOf(result));
  // An attempt that had to wait was not checked.
  const guessed = result.kind === "refused" && !honestFailures.has(result.reason);
  return guessed ? afterConduct(state, "failed-login", action) : action;
}

/** Who tried to sign in, and how. */
interface Attempt {
  readonly mechanism: string;
  /** As the client wrote it; "" where a certificate alone speaks. */
  readonly username: string;
}

function signIn(
  state: SessionState,
  attempt: Attempt,
  { login, by }: Extract<LoginResult, { readonly kind: "accepted" }>,
): void {
  state.client = { ...state.client, login };
  state.signedIn = { mechanism: attempt.mechanism, ...(by !== undefined && { by }) };
  state.log.event("login-succeeded", { client: state.client.address, ...attempt, login, by });
}

function noteFailure(
  state: SessionState,
  attempt: Attempt,
  result: Exclude<LoginResult, { readonly kind: "accepted" }>,
  malformed?: string,
): void {
  const reason =
    result.kind === "refused" ? result.reason : result.kind === "throttled" ? "too-many-failures" : "unavailable";
  state.log.event("login-failed", {
    client: state.client.address,
    ...attempt,
    reason: malformed ?? reason,
    retry_after_seconds: result.kind === "throttled" ? secondsOf(result) : undefined,
    detail: result.kind === "refused" ? result.detail : undefined,
    error: result.kind === "unavailable" ? result.reason : undefined,
  });
}

/** Nobody guesses by a mistyped name, a token that was right an hour ago, or none. */
const honestFailures: ReadonlySet<Extract<LoginResult, { readonly kind: "refused" }>["reason"]> = new Set([
  "prohibited-characters",
  "expired-token",
  "no-token",
]);

function secondsOf({ retryAfterMs }: Extract<LoginResult, { readonly kind: "throttled" }>): number {
  return Math.ceil(retryAfterMs / 1000);
}

function refusalOf(result: Exclude<LoginResult, { readonly kind: "accepted" }>): Reply {
  switch (result.kind) {
    case "refused":
      return refused;
    case "throttled": {
      const seconds = secondsOf(result);
      return reply(
        454,
        "4.7.0",
        `Too many failed logins, try again in ${seconds} ${seconds === 1 ? "second" : "seconds"}`,
      );
    }
    case "unavailable":
      return unavailable;
    default:
      return result satisfies never;
  }
}
