/**
 * Bans networks that misbehave for hours: that guess passwords, guess recipients, or make errors all the time. Each network
 * has an allowance of each offence per hour, and well-behaved mail gives some of it back, so a large provider is not banned
 * for the dead addresses of its users. Each ban in a row is twice as long as the one before, and every ban ends by itself.
 *
 * A ban is of one service. Wrong passwords close the submission ports and nothing else, because the mail server of an
 * honest company may have the same address as an old phone. Some networks are never banned: see {@link Exemption}.
 *
 * Owns who is banned and until when. Refusing is the admission's, storing is the ban store's.
 */
import { isLoopback, isPrivate, parseIpAddress } from "../address/ip-address.ts";
import { clientNetwork } from "../accounts/client-network.ts";
import type { Instant } from "../lib/instant.ts";
import { keepNewest } from "../lib/newest.ts";
import type { Clock } from "../ports/clock.ts";
import type { ServerKind } from "../smtp/server/protocol-settings.ts";
import { type Client, isSubmission, mayRelay } from "./client.ts";
import { type Refusal, refuse } from "./decision.ts";
import { RateLimit } from "./rate-limit.ts";
import type { BansSettings } from "./settings.ts";

export const offences = ["failed-login", "error", "unknown-recipient"] as const;
/** What counts against the network of a client. */
export type Offence = (typeof offences)[number];

/** What a client did: an offence, or something that speaks for it. */
export type Conduct = Offence | "login" | "accepted-recipient";

/** `mail`: mx and lmtp listeners. `submission`: submission and submissions. */
export type Service = "mail" | "submission";

export interface Ban {
  /** An IPv4 address or an IPv6 /64. */
  readonly network: string;
  readonly service: Service;
  readonly offence: Offence;
  /** The last address of the network that committed it. */
  readonly client: string;
  /** Bans in a row, this one among them. */
  readonly times: number;
  /** Wall-clock time. */
  readonly since: Instant;
  /** Wall-clock time; after it the ban is only remembered, so that the next one is longer. */
  readonly until: Instant;
}

/** Why a network is never banned. */
export type Exemption =
  | "this-machine"
  | "private-address"
  | "listed-proxy"
  | "relay-network"
  | "never-banned-by-settings"
  | "signed-in-lately";

export interface BanExplanation {
  readonly network: string;
  readonly exemption: Exemption | undefined;
  /** In force. */
  readonly bans: readonly Ban[];
  /** How many of each offence the network may still commit before it is banned; null: any number. */
  readonly left: readonly { readonly service: Service; readonly offence: Offence; readonly left: number | null }[];
}

export interface BansOptions {
  readonly settings: BansSettings;
  readonly clock: Pick<Clock, "now" | "monotonicMs">;
  /** `relay.networks`. */
  readonly isRelay: (address: string) => boolean;
  /** A proxy that some listener believes: it stands for all of its clients. */
  readonly isProxy: (address: string) => boolean;
  /** Told of a new ban. */
  readonly banned: (ban: Ban) => void;
  /** Told of a network from which someone signed in, at most once a day. */
  readonly signedIn: (network: string, at: Instant) => void;
}

interface Entry {
  readonly ban: Ban;
  /** Monotonic. */
  readonly endsAt: Instant;
}

const hourMs = 3_600_000;
/** Some 300 octets each: 3 MB. Beyond it, the oldest ban ends early. */
const bansMax = 10_000;
/** A network from which a user signed in so long ago is not banned: it is a home or an office, whatever else is in it. */
export const signedInLatelyMs = 7 * 24 * hourMs;
/** Networks of users, 100 octets each; beyond it, the one that was not used for the longest time is forgotten. */
const signedInMax = 10_000;
const services = ["mail", "submission"] as const;

export class Bans {
  readonly #options: BansOptions;
  readonly #allowances: Readonly<Record<Offence, RateLimit>>;
  /** In force, or ended and still remembered; in the order in which they began. */
  readonly #bans = new Map<string, Entry>();
  /** Networks of users, each with the wall-clock time of a sign-in, in the order of these times. */
  readonly #signedIn = new Map<string, Instant>();
  #settings: BansSettings;

  constructor(options: BansOptions) {
    const { settings } = options;
    this.#options = options;
    this.#settings = settings;
    const allowance = (offence: Offence) => new RateLimit(allowed(settings, offence), hourMs);
    this.#allowances = {
      "failed-login": allowance("failed-login"),
      error: allowance("error"),
      "unknown-recipient": allowance("unknown-recipient"),
    };
  }

  /** Bans in force stay as long as they were given. */
  reconfigure(settings: BansSettings): void {
    this.#settings = settings;
    for (const offence of offences) this.#allowances[offence].perWindow = allowed(settings, offence);
  }

  /** What was known before a restart. A ban that would last longer than one may, as after a set clock, is cut short. */
  restore(bans: readonly Ban[], signedIn: readonly (readonly [network: string, at: Instant])[]): void {
    const { clock } = this.#options;
    for (const ban of bans.toSorted((a, b) => a.since - b.since)) {
      const now = clock.now();
      const leftMs = Math.min(ban.until - now, this.#settings.longest);
      keepNewest(this.#bans, keyOf(ban.service, ban.network), { ban, endsAt: clock.monotonicMs() + leftMs }, bansMax);
    }
    for (const [network, at] of signedIn.toSorted(([, a], [, b]) => a - b)) {
      keepNewest(this.#signedIn, network, at, signedInMax);
    }
  }

  /** Counts what a client did. Gives how long its reply is to be kept back, in milliseconds. */
  note(client: Client, conduct: Conduct): number {
    // Most servers see no offences, and every message has a recipient.
    if (conduct === "accepted-recipient" && this.#noneIsCounted) return 0;
    // The address stands for many clients.
    if (client.hidden === true) return 0;
    const network = clientNetwork(client.address);
    if (conduct === "login") this.#noteSignedIn(network);
    // What users do is limited by their accounts.
    if (client.login !== undefined || mayRelay(client) || this.#exemption(client.address) !== undefined) return 0;
    const service = serviceOf(client.listener);
    const key = keyOf(service, network);
    if (conduct === "accepted-recipient") {
      this.#allowances["unknown-recipient"].giveBack(key);
      this.#allowances.error.giveBack(key);
    }
    if (conduct === "accepted-recipient" || conduct === "login") return 0;
    const allowance = this.#allowances[conduct];
    const now = this.#options.clock.monotonicMs();
    if (!allowance.take(key, now)) this.#ban({ network, service, offence: conduct, client: client.address });
    const left = allowance.left(key, now);
    return left !== undefined && left < allowance.perWindow / 2 ? this.#settings.tarpit : 0;
  }

  /** Undefined: the client's network is not banned there. */
  refusalOf(address: string, listener: ServerKind): Refusal | undefined {
    if (this.#bans.size === 0) return undefined;
    const ban = this.#inForce(keyOf(serviceOf(listener), clientNetwork(address)));
    return ban === undefined || this.#exemption(address) !== undefined ? undefined : refusalFor(ban);
  }

  /** Bans in force, the newest first. */
  list(): readonly Ban[] {
    const keys = [...this.#bans.keys()].toReversed();
    return keys.flatMap((key) => this.#inForce(key) ?? []);
  }

  /** `address`: of a client, or its network as listed. */
  explain(address: string): BanExplanation {
    const network = networkOf(address);
    const now = this.#options.clock.monotonicMs();
    return {
      network,
      exemption: this.#exemption(addressIn(address)),
      bans: services.flatMap((service) => this.#inForce(keyOf(service, network)) ?? []),
      left: services.flatMap((service) =>
        offences
          .filter((offence) => offence !== "failed-login" || service === "submission")
          .map((offence) => {
            const left = this.#allowances[offence].left(keyOf(service, network), now);
            return { service, offence, left: left === undefined ? null : Math.floor(left) };
          }),
      ),
    };
  }

  /** Ends the bans of a network and forgets what it did; gives the bans that were in force. */
  lift(address: string): readonly Ban[] {
    const network = networkOf(address);
    return services.flatMap((service) => {
      const key = keyOf(service, network);
      const ban = this.#inForce(key);
      this.#bans.delete(key);
      for (const offence of offences) this.#allowances[offence].forget(key);
      return ban ?? [];
    });
  }

  get #noneIsCounted(): boolean {
    return this.#allowances["unknown-recipient"].size === 0 && this.#allowances.error.size === 0;
  }

  #ban(offender: Pick<Ban, "network" | "service" | "offence" | "client">): void {
    const { clock, banned } = this.#options;
    const key = keyOf(offender.service, offender.network);
    // Sessions that were open when the ban began may go on offending; it is one ban nevertheless.
    if (this.#inForce(key) !== undefined) return;
    const before = this.#bans.get(key);
    const [now, monotonic] = [clock.now(), clock.monotonicMs()];
    const { first, longest } = this.#settings;
    const remembered = before !== undefined && monotonic < before.endsAt + memoryMs(before.ban);
    const times = remembered ? before.ban.times + 1 : 1;
    const lastsMs = Math.min(longest, first * 2 ** Math.min(times - 1, 30));
    const ban: Ban = { ...offender, times, since: now, until: now + lastsMs };
    keepNewest(this.#bans, key, { ban, endsAt: monotonic + lastsMs }, bansMax);
    banned(ban);
  }

  #noteSignedIn(network: string): void {
    const now = this.#options.clock.now();
    const before = this.#signedIn.get(network);
    keepNewest(this.#signedIn, network, now, signedInMax);
    if (before === undefined || Math.abs(now - before) > 24 * hourMs) this.#options.signedIn(network, now);
    else this.#signedIn.set(network, before);
  }

  #inForce(key: string): Ban | undefined {
    const entry = this.#bans.get(key);
    return entry !== undefined && this.#options.clock.monotonicMs() < entry.endsAt ? entry.ban : undefined;
  }

  #exemption(address: string): Exemption | undefined {
    const parsed = parseIpAddress(address);
    if (parsed === undefined || isLoopback(parsed)) return "this-machine";
    if (this.#options.isRelay(address)) return "relay-network";
    if (this.#options.isProxy(address)) return "listed-proxy";
    if (this.#settings.never.contains(address)) return "never-banned-by-settings";
    // Behind a gateway that hides addresses, one private address stands for everybody.
    if (isPrivate(parsed)) return "private-address";
    const signedIn = this.#signedIn.get(clientNetwork(address));
    const lately = signedIn !== undefined && this.#options.clock.now() < signedIn + signedInLatelyMs;
    return lately ? "signed-in-lately" : undefined;
  }
}

/** A ban is remembered so long after its end; until then the next one is longer. */
export function memoryMs({ since, until }: Pick<Ban, "since" | "until">): number {
  return Math.max(24 * hourMs, 2 * (until - since));
}

export function serviceOf(listener: ServerKind): Service {
  return isSubmission({ listener }) ? "submission" : "mail";
}

function refusalFor({ network, offence, until }: Ban): Refusal {
  return refuse("network-banned", { offences: offenceWords[offence], network, until: new Date(until).toISOString() });
}

const offenceWords = {
  "failed-login": "failed logins",
  error: "errors",
  "unknown-recipient": "unknown recipients",
} as const satisfies Record<Offence, string>;

function allowed(settings: BansSettings, offence: Offence): number {
  if (offence === "failed-login") return settings.failed_logins;
  return offence === "error" ? settings.errors : settings.unknown_recipients;
}

function keyOf(service: Service, network: string): string {
  return `${service} ${network}`;
}

/** A client's address, or a network as `bans list` shows it. */
function networkOf(text: string): string {
  return clientNetwork(addressIn(text));
}

function addressIn(network: string): string {
  const [address = network] = network.split("/", 1);
  return address;
}
