/** With what a session logs in at a next hop: a password of the route, or an access token that is fetched now. */
import type { AccessTokenSource } from "../oauth/access-tokens.ts";
import type { HopCredentials } from "../route/next-hop.ts";
import { finding, type PeerFacts, type Setback } from "./delivery-verdict.ts";
import type { SessionCredentials } from "./open-session.ts";

export type HopLogin =
  | { readonly kind: "ready"; readonly credentials: SessionCredentials | undefined }
  | { readonly kind: "failed"; readonly setback: Setback };

/** Never rejects. Without consent the mail waits for the operator: the sentence says what to do. */
export async function loginFor(
  credentials: HopCredentials | undefined,
  tokens: AccessTokenSource | undefined,
  peer: PeerFacts,
): Promise<HopLogin> {
  if (credentials === undefined || "password" in credentials) return { kind: "ready", credentials };
  const { username, oauth: client } = credentials;
  const answer = await tokens?.tokenFor({ client, username });
  switch (answer?.kind) {
    case "token":
      return { kind: "ready", credentials: { kind: "token", username, token: answer.token } };
    case "no-consent": {
      const reason = `${peer.host} is not asked to log ${username} in: ${answer.reason}`;
      return { kind: "failed", setback: finding("4.7.0", "our-authentication", reason, peer) };
    }
    case "unavailable":
    case undefined: {
      const why = answer?.reason ?? "this program has no access tokens";
      const reason = `${peer.host} is not asked to log ${username} in: ${why}`;
      return { kind: "failed", setback: finding("4.7.0", "local-trouble", reason, peer) };
    }
    default:
      return answer satisfies never;
  }
}

/** The host did not take a token that should be good: the next attempt has another. */
export function noteRefusedToken(
  hop: HopCredentials | undefined,
  used: SessionCredentials | undefined,
  tokens: AccessTokenSource | undefined,
): void {
  if (hop === undefined || !("oauth" in hop) || used === undefined || !("kind" in used)) return;
  tokens?.refused({ client: hop.oauth, username: hop.username }, used.token);
}
