/** AUTH (RFC 4954): runs the mechanism's exchange, and has the password checked. */
import type { LoginResult } from "../../accounts/account-directory.ts";
import { findMechanism } from "../../sasl/mechanisms.ts";
import type { MechanismStep } from "../../sasl/server-mechanism.ts";
import { reply } from "../../smtp/reply.ts";
import type { AuthEvent, AuthResponseEvent } from "../../smtp/server/event.ts";
import { idle, phaseOf, type SessionState } from "../session-state.ts";
import { answer, type Verdict } from "../verdict.ts";

const succeeded = reply(235, "2.7.0", "Authentication successful");
/** The same words whatever was wrong: a client must not learn which names exist (RFC 4954 §9). */
const refused = reply(535, "5.7.8", "Authentication credentials invalid");
const noMechanism = reply(504, "5.5.4", "This mechanism is not supported");
const serverFirst = reply(501, "5.7.0", "This mechanism does not accept an initial response");
const unavailable = reply(454, "4.7.0", "Temporary authentication failure, try again later");

export function beginAuth(state: SessionState, event: AuthEvent): Verdict | Promise<Verdict> {
  const kind = findMechanism(event.mechanism);
  if (kind === undefined) return answer(noMechanism);
  if (event.initialResponse !== undefined && !kind.acceptsInitialResponse) return answer(serverFirst);
  // Frameworks send an empty password where none is configured; in development any login is right, so this is, too.
  const server = kind.begin({ takesEmpty: state.listener.development === true });
  state.phase = { kind: "exchange", mechanism: kind.name, server };
  return proceedAuth(state, event.initialResponse);
}

export function continueAuth(state: SessionState, event: AuthResponseEvent): Verdict | Promise<Verdict> {
  return proceedAuth(state, event.response);
}

function proceedAuth(state: SessionState, response: Uint8Array | undefined): Verdict | Promise<Verdict> {
  const { mechanism, server } = phaseOf(state, "exchange");
  const step: MechanismStep = server.respond(response);
  switch (step.kind) {
    case "challenge":
      return { kind: "challenge", data: step.data };
    case "malformed":
      return endAuth(
        state,
        { mechanism, username: "" },
        { kind: "refused", reason: "prohibited-characters" },
        step.reason,
      );
    case "claim":
      return state.services.accounts
        .authenticate(step.claim, state.client.address)
        .then((result) => endAuth(state, { mechanism, username: step.claim.username }, result));
    default:
      return step satisfies never;
  }
}

function endAuth(
  state: SessionState,
  attempt: { readonly mechanism: string; readonly username: string },
  result: LoginResult,
  malformed?: string,
): Verdict {
  state.phase = idle;
  const fields = { client: state.client.address, ...attempt };
  switch (result.kind) {
    case "accepted":
      state.client = { ...state.client, login: result.login };
      state.log.event("login-succeeded", { ...fields, login: result.login });
      return answer(succeeded);
    case "refused":
      state.log.event("login-failed", {
        ...fields,
        reason: malformed ?? result.reason,
        retry_after_seconds: undefined,
        error: undefined,
      });
      return answer(refused);
    case "throttled": {
      const seconds = Math.ceil(result.retryAfterMs / 1000);
      state.log.event("login-failed", {
        ...fields,
        reason: "too-many-failures",
        retry_after_seconds: seconds,
        error: undefined,
      });
      return answer(
        reply(454, "4.7.0", `Too many failed logins, try again in ${seconds} ${seconds === 1 ? "second" : "seconds"}`),
      );
    }
    case "unavailable":
      state.log.event("login-failed", {
        ...fields,
        reason: "unavailable",
        retry_after_seconds: undefined,
        error: result.reason,
      });
      return answer(unavailable);
    default:
      return result satisfies never;
  }
}
