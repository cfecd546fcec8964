/**
 * Which SASL mechanisms a session offers, and what an exchange is given of its connection: offered is exactly what can
 * succeed here and now, so that no client tries in vain and falls back to nothing.
 */
import type { ShownCertificate, SignInMeans } from "../accounts/account-directory.ts";
import { isSubmission } from "../policy/client.ts";
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
function mechanismsInClear({ listener, settings, means }: Place): readonly string[] {
  if (!mayBeClear(listener)) return [];
  return names(settings, { ...nothingOfTls(means), privateChannel: true });
}

/**
 * Under TLS; `channel` undefined: before the handshake, when what it will bring is not known. `certificate`: the client
 * showed one that stands for a user.
 */
function mechanismsUnderTls(
  { listener, settings, means }: Place,
  channel: Pick<SessionChannel, "channelBinding"> | undefined,
  certificate: boolean,
): readonly string[] {
  if (!isSubmission({ listener: listener.kind }) && listener.development !== true) return [];
  return names(settings, {
    ...nothingOfTls(means),
    privateChannel: true,
    channelBinding: channel !== undefined && hasBinding(channel),
    certificate,
  });
}

/** Who listens on a unix socket is on this machine, and its files' permissions say who may connect. */
function mayBeClear({ kind, endpoint, development }: ListenerOptions): boolean {
  return development === true || (kind === "submission" && endpoint.kind === "unix");
}

/** The client's certificate and how its names are read; undefined: it showed none, or was not asked by this listener. */
export function shownCertificate({
  listener: { clientCertificates },
  channel,
}: Pick<SessionState, "listener" | "channel">): ShownCertificate | undefined {
  const certificate = channel.tls?.clientCertificate;
  if (clientCertificates === undefined || certificate === undefined) return undefined;
  return { certificate, identity: clientCertificates.identity };
}

/** All that can succeed in this session as it stands. */
export function mechanismsOf(state: Pick<SessionState, "listener" | "settings" | "services" | "channel">): {
  readonly clear: readonly string[];
  readonly tls: readonly string[];
} {
  const { listener, settings, services, channel } = state;
  const place = { listener, settings, means: services.accounts.signInMeans() };
  const shown = shownCertificate(state);
  const certificate = shown !== undefined && services.accounts.knowsCertificate(shown);
  return {
    clear: mechanismsInClear(place),
    tls: mechanismsUnderTls(place, channel.tls === undefined ? undefined : channel, certificate),
  };
}

export function exchangeOptions(state: SessionState): ExchangeOptions {
  const { services, listener, channel } = state;
  return {
    // Frameworks send an empty password where none is configured; in development any login is right, so this is, too.
    takesEmpty: listener.development === true,
    nonce: () => Buffer.from(services.random.bytes(nonceBytes)).toString("base64"),
    channelBinding: (type) => channel.channelBinding(type),
    bindingOffered: mechanismsOf(state).tls.some((name) => name.endsWith("-PLUS")),
    tokenHelp: services.accounts.signInMeans().tokens,
  };
}

function hasBinding(channel: Pick<SessionChannel, "channelBinding">): boolean {
  return channel.channelBinding("tls-exporter") !== undefined || channel.channelBinding("tls-unique") !== undefined;
}

function nothingOfTls({ verifiers, tokens }: SignInMeans): MechanismConditions {
  return { privateChannel: false, channelBinding: false, certificate: false, verifiers, tokens: tokens !== undefined };
}

function names({ mechanisms }: Place["settings"], conditions: MechanismConditions): readonly string[] {
  return offeredMechanisms(new Set(mechanisms), conditions).map(({ name }) => name);
}
