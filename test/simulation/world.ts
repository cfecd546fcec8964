/** What a seed's world is like: how our server is set up, and with whom it has to do. */
import type { SettingsInput } from "../../src/config/settings-schema.ts";
import { testKey } from "../../src/testing/test-crypto.ts";
import type { SimulatedDnsOptions } from "../../src/testing/simulated-dns.ts";
import type { Chance } from "./chance.ts";

export const hostName = "mail.example.org";
export const serverAddress = "192.0.2.25";
/** May relay without a login. */
export const insideAddress = "203.0.113.5";
export const strangerAddress = "198.51.100.7";
export const laptopAddress = "198.51.100.9";
export const password = "correct horse";
export const localUsers = ["ann", "bob"] as const;

/** Where addresses of ours lead that are nobody's mailbox. */
export const aliasTargets: Readonly<Record<string, readonly string[]>> = {
  "info@example.org": ["ann@example.org", "user1@d0.test"],
  "away@example.org": ["user2@d1.test"],
};

const minuteMs = 60_000;

/** Numbers of the configuration that the checkers know. */
export interface WorldNumbers {
  readonly expireMs: number;
  readonly deliveriesPerSite: number;
  readonly deliveries: number;
  /** Of what leaves in the name of example.org. */
  readonly signs: boolean;
  readonly keepIdleMs: number;
  readonly warnAfterMs: number;
  /** Recipients in memory: few in some worlds, so that mail is put off, and a flood has to be kept in its place. */
  readonly ready: number;
  /** Much mail comes for one receiver at once. */
  readonly flooded: boolean;
  /** Where a scene has one in mind. */
  readonly recipientsPerTransaction?: number;
}

export const scheduleMs = [5, 10, 20, 40, 60, 120, 240].map((minutes) => minutes * minuteMs);
/** A reload may shorten the age at which recipients expire by this factor. */
export const shortenedExpiry = 0.75;

/** So many deliveries at once are never all under way. */
export const manyDeliveries = 500;

export function worldNumbers(chance: Chance): WorldNumbers {
  const flooded = chance.is(0.4);
  return {
    flooded,
    expireMs: chance.pick([48, 36, 6, 1.5]) * 60 * minuteMs,
    // A flood could have every delivery there is.
    deliveriesPerSite: chance.pick(flooded ? [5, 5, 5, 2] : [5, 5, 2, 1]),
    deliveries: chance.pick(flooded ? [manyDeliveries, 4, 4] : [manyDeliveries, manyDeliveries, 8, 4]),
    signs: chance.is(0.5),
    keepIdleMs: chance.pick([3_000, 30_000, 0]),
    warnAfterMs: chance.pick([240, 120, 30]) * minuteMs,
    ready: chance.pick(flooded ? [2000, 2000, 2000, 20] : [2000, 2000, 60, 20]),
  };
}

/**
 * The servers that the machine asks: the first runs on it, and the last is spared when one of them has trouble. Where all
 * validate, all run on it, so that each is believed.
 */
export function dnsShape(
  chance: Chance,
  { allValidate }: { readonly allValidate: boolean },
): Omit<SimulatedDnsOptions, "random"> {
  const others = allValidate ? ["127.0.0.2", "127.0.0.3"] : ["192.0.2.53", "192.0.2.54"];
  const addresses = ["127.0.0.1", ...others].slice(0, chance.pick([2, 3]));
  return {
    servers: addresses.map((address) => ({
      address,
      followsAliases: chance.is(0.8),
      stumblesOverEdns: chance.is(0.1) && !allValidate,
    })),
    sparseLoss: chance.pick([0, 0.02, 0.1]),
  };
}

export function settingsOf(numbers: WorldNumbers, chance: Chance): SettingsInput {
  const key = { domain: "example.org", selector: "s1", key: testKey("ed25519") };
  return {
    hostname: hostName,
    data_dir: "/data",
    stop_within: "20s",
    listener: [
      { kind: "mx", listen: `${serverAddress}:25` },
      { kind: "submissions", listen: `${serverAddress}:465` },
    ],
    domain: [{ name: "example.org" }],
    user: [{ address: "ann@example.org", password: `$argon2id$${password}` }, { address: "bob@example.org" }],
    alias: Object.entries(aliasTargets).map(([address, to]) => ({ address, to: [...to] })),
    relay: { networks: [`${insideAddress}/32`] },
    dkim: { require_published: false, key: numbers.signs ? [key] : [] },
    outbound: { keep_idle: `${numbers.keepIdleMs / 1000}s` },
    // Their look-ups would draw from the same chance, and seeds that catch planted bugs would no longer do so.
    reports: { send_tls: false },
    queue: {
      expire: `${numbers.expireMs / minuteMs}m`,
      warn_after: `${numbers.warnAfterMs / minuteMs}m`,
      deliveries: numbers.deliveries,
      deliveries_per_site: numbers.deliveriesPerSite,
      recipients_per_transaction: numbers.recipientsPerTransaction ?? chance.pick([100, 100, 3]),
      ready: numbers.ready,
    },
  };
}
