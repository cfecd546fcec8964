/**
 * Which SASL mechanisms a session offers, and what an exchange is given of its connection: offered is exactly what can
 * succeed here and now, so that no client tries in vain and falls back to nothing.
 */
import type { SignInMeans } from "../accounts/account-directory.ts";
import { offeredMechanisms } from "../sasl/mechanisms.ts";
import type { ExchangeOptions, MechanismConditions } from "../sasl/server-mechanism.ts";
import type { ListenerOptions } from "./listener-options.ts";
import type { InboundSettings } from "./services.ts";
import type { SessionChannel, SessionState } from "./session-state.ts";

/** 144 bits, in 24 characters without a comma. */
const nonceBytes = 18;

interface Place {
  readonly listener: ListenerOptions;
  readonly settings: Pick<InboundSettings, "mechanisms">;
  readonly means: SignInMeans;
}

/** For a session in clear: a unix socket, or development. */
export function mechanismsInClear({ listener, settings, means }: Place): readonly string[] {
  if (!mayBeClear(listener)) return [];
  return names(settings, { ...nothingOfTls(means), privateChannel: true });
}

/** Under TLS; `channel` undefined: before the handshake, when what it will bring is not known. */
export function mechanismsUnderTls(
  { listener, settings, means }: Place,
  channel: Pick<SessionChannel, "channelBinding"> | undefined,
): readonly string[] {
  if (listener.kind === "mx" && listener.development !== true) return [];
  if (listener.kind === "lmtp" && listener.development !== true) return [];
  return names(settings, {
    ...nothingOfTls(means),
    privateChannel: true,
    channelBinding: channel !== undefined && hasBinding(channel),
  });
}

/** Who listens on a unix socket is on this machine, and its files' permissions say who may connect. */
export function mayBeClear({ kind, endpoint, development }: ListenerOptions): boolean {
  return development === true || (kind === "submission" && endpoint.kind === "unix");
}

export function exchangeOptions({ services, listener, channel }: SessionState): ExchangeOptions {
  return {
    // Frameworks send an empty password where none is configured; in development any login is right, so this is, too.
    takesEmpty: listener.development === true,
    nonce: () => Buffer.from(services.random.bytes(nonceBytes)).toString("base64"),
    channelBinding: (type) => channel.channelBinding(type),
    bindingOffered: hasBinding(channel),
  };
}

function hasBinding(channel: Pick<SessionChannel, "channelBinding">): boolean {
  return channel.channelBinding("tls-exporter") !== undefined || channel.channelBinding("tls-unique") !== undefined;
}

function nothingOfTls({ verifiers, tokens }: SignInMeans): MechanismConditions {
  return { privateChannel: false, channelBinding: false, certificate: false, verifiers, tokens };
}

function names({ mechanisms }: Place["settings"], conditions: MechanismConditions): readonly string[] {
  return offeredMechanisms(new Set(mechanisms), conditions).map(({ name }) => name);
}
