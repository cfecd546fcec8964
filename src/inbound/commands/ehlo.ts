/**
 * EHLO, HELO and LHLO. The name is noted and never a reason to refuse (RFC 5321 §4.1.4): what it says about the client is
 * for policies that look at the whole message.
 */
import type { HelloEvent } from "../../smtp/server/event.ts";
import type { SessionState } from "../session-state.ts";
import { proceed, type Verdict } from "../verdict.ts";

export function acceptHello(state: SessionState, event: HelloEvent): Verdict {
  state.hello = { verb: event.verb, name: event.name };
  return proceed;
}
