/**
 * Whether mail to an address elsewhere is taken, and whether a local address exists.
 *
 * Not an open relay by construction: what an address means is decided once, by its parsed domain. A percent sign, an
 * exclamation mark or a quoted at-sign in a local-part is part of a name and is never read as a route, and source routes
 * are dropped by the parser (RFC 5321 §7.9, §4.1.1.3).
 */
import type { Resolution } from "../accounts/account-directory.ts";
import { elsewhereTarget } from "../accounts/account-table.ts";
import type { Mailbox } from "../address/mailbox.ts";
import { type Client, sendsOwnMail } from "./client.ts";
import { type Decision, type Refusal, refuse } from "./decision.ts";
import type { Stage } from "./stage.ts";

const byLogin: Decision = { verdict: "accept", reason: "logged-in" };
const byKey: Decision = { verdict: "accept", reason: "relay-key", setting: "relay.keys" };
const byNetwork: Decision = { verdict: "accept", reason: "relay-network", setting: "relay.networks" };

/** For recipients that resolve as not local. */
export function checkRelay(client: Client): Decision {
  // RFC 2033 §5: LMTP takes over final delivery, and a relay is not that.
  if (client.listener === "lmtp") return refuse("not-local", {});
  if (client.login !== undefined) return byLogin;
  if (client.relayNetwork) return byNetwork;
  return client.relayKey === undefined ? refuse("relay-denied", {}) : byKey;
}

/**
 * For recipients of domains whose names another server knows (`recipients = "any"`): that server may still read routes
 * out of local-parts, so strangers cannot send them through us. Who may relay gains nothing by a route, and names like
 * `x%y` are what programs make of an encoded address.
 */
export function checkRouteInLocalPart(mailbox: Mailbox, resolution: Resolution, client: Client): Refusal | undefined {
  if (resolution.kind !== "local" || resolution.via !== "any" || sendsOwnMail(client)) return undefined;
  return /[@%!]/.test(mailbox.localPart) ? refuse("route-in-local-part", {}, resolution.setting) : undefined;
}

export const routeInLocalPart: Stage = {
  rule: "route-in-local-part",
  recipient: ({ client, forwardPath, reversed, resolution }) =>
    reversed !== undefined || resolution === undefined
      ? undefined
      : checkRouteInLocalPart(forwardPath, resolution, client),
};

export const relayPermission: Stage = {
  rule: "relay-permission",
  recipient: ({ client, forwardPath, reversed, resolution }) => {
    if (reversed !== undefined || resolution?.kind !== "not-local") return undefined;
    const decision = checkRelay(client);
    if (decision.verdict !== "accept") return decision;
    return { ...decision, changes: [{ kind: "set-recipients", targets: [elsewhereTarget(forwardPath)] }] };
  },
};
