/** Which mechanism a client takes of those that a server offers: the strongest that fits what it signs in with. */
import type { ClientChannel, ClientIdentity, ClientMechanism } from "./client-mechanism.ts";
import { formatOAuthBearer, formatXOAuth2 } from "./oauth.ts";
import { ScramClient } from "./scram-client.ts";
import type { ScramDigest } from "./scram-verifier.ts";

type PasswordIdentity = Extract<ClientIdentity, { readonly kind: "password" }>;

const encoder = new TextEncoder();

const scramMechanisms: readonly { readonly name: string; readonly digest: ScramDigest }[] = [
  { name: "SCRAM-SHA-512", digest: "sha512" },
  { name: "SCRAM-SHA-256", digest: "sha256" },
  { name: "SCRAM-SHA-1", digest: "sha1" },
];

/**
 * `offered`: names in upper case. Undefined: none of them fits. Of SCRAM, every one with channel binding comes before
 * every one without. `showPassword`: only mechanisms that do, for a server whose SCRAM has no verifier for this user.
 */
export function chooseClientMechanism(
  identity: ClientIdentity,
  offered: readonly string[],
  channel: ClientChannel | undefined,
  { showPassword = false }: { readonly showPassword?: boolean } = {},
): ClientMechanism | undefined {
  switch (identity.kind) {
    case "certificate":
      return offered.includes("EXTERNAL") ? fixed("EXTERNAL", encoder.encode(identity.authorizationId), []) : undefined;
    case "token":
      return chooseForToken(identity.username, identity.token, offered);
    case "password": {
      const scram = channel === undefined || showPassword ? undefined : chooseScram(identity, offered, channel);
      return scram ?? chooseShowing(identity, offered);
    }
    default:
      return identity satisfies never;
  }
}

function chooseScram(
  { username, password }: PasswordIdentity,
  offered: readonly string[],
  channel: ClientChannel,
): ClientMechanism | undefined {
  const common = { username, password, channel };
  if (channel.channelBinding !== undefined) {
    const plus = scramMechanisms.find(({ name }) => offered.includes(`${name}-PLUS`));
    if (plus !== undefined) return new ScramClient({ ...common, ...plus, name: `${plus.name}-PLUS`, flag: "p" });
  }
  const without = scramMechanisms.find(({ name }) => offered.includes(name));
  // "y" lets the server find out that someone took -PLUS from its list (RFC 5802 §6).
  const flag = channel.channelBinding === undefined ? "n" : "y";
  return without && new ScramClient({ ...common, ...without, flag });
}

function chooseShowing({ username, password }: PasswordIdentity, offered: readonly string[]) {
  if (offered.includes("PLAIN")) return fixed("PLAIN", encoder.encode(`\0${username}\0${password}`), []);
  if (!offered.includes("LOGIN")) return undefined;
  return fixed("LOGIN", undefined, [encoder.encode(username), encoder.encode(password)]);
}

function chooseForToken(username: string, token: string, offered: readonly string[]): ClientMechanism | undefined {
  // The answer to the error document, which is asked for before the refusal (RFC 7628 §3.2.3).
  if (offered.includes("OAUTHBEARER"))
    return bearer("OAUTHBEARER", formatOAuthBearer(username, token), Uint8Array.of(1));
  if (offered.includes("XOAUTH2")) return bearer("XOAUTH2", formatXOAuth2(username, token), new Uint8Array(0));
  return undefined;
}

/** Messages that do not depend on what the server says. */
function fixed(name: string, initial: Uint8Array | undefined, responses: readonly Uint8Array[]): ClientMechanism {
  let taken = 0;
  return {
    name,
    initial,
    get complete() {
      return taken === responses.length;
    },
    respond: () => responses[taken++],
  };
}

function bearer(name: string, initial: Uint8Array, acknowledgement: Uint8Array): ClientMechanism {
  let refused = false;
  return {
    name,
    initial,
    get complete() {
      return !refused;
    },
    respond() {
      if (refused) return undefined;
      refused = true;
      return acknowledgement;
    },
  };
}
