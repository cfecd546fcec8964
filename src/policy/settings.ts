/**
 * The `[relay]` and `[limits]` sections of the configuration. Limits live together here with the reason for their
 * numbers, whoever enforces them: sessions, content, the disk.
 */
import { z } from "zod";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { byteSize, duration, networkList } from "../lib/setting-types.ts";

export const relaySettings = z
  .strictObject({
    networks: networkList()
      .prefault([])
      .describe(
        "Networks whose clients may relay without a login; none by default. Behind a container gateway, every client may appear to come from one private address: do not list that address. Applies on reload to new sessions.",
      ),
    keys: z
      .array(
        z
          .string()
          .regex(/^(?:sha256:)?(?:[0-9a-f]{2}:?){31}[0-9a-f]{2}$/i, "write the SHA-256 of a public key: 64 hex digits")
          .transform((text) => asciiLowerCase(text.replace(/^sha256:/i, "").replaceAll(":", ""))),
      )
      .max(1000)
      .default([])
      .describe(
        "SHA-256 digests of public keys (SubjectPublicKeyInfo, hex). A server whose TLS client certificate has such a key may relay through an mx listener without a login, from any address; the certificate may be self-signed. `posthaste user key digest` prints the digest. If there are any keys, mx listeners ask clients for a certificate. Applies on reload to new sessions.",
      ),
  })
  .describe("Who may send mail to other domains without a login.");

export type RelaySettings = z.output<typeof relaySettings>;

export const limitsSettings = z
  .strictObject({
    message_size: byteSize()
      .prefault("50MB")
      .describe(
        'Largest message content, announced by SIZE (RFC 1870). Larger content gets 552 5.3.4. "0" means no limit. Applies on reload to new sessions.',
      ),
    recipients: z
      .int()
      .min(100)
      .max(100_000)
      .default(1000)
      .describe(
        "Recipients of one message. Further recipients get 452 4.5.3, and the client may send them in another transaction. RFC 5321 §4.5.3.1.8 asks for at least 100. Applies on reload to new sessions.",
      ),
    connections: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(10_000)
      .describe(
        "Connections open at once on all listeners, TLS handshakes included. When the limit is reached, a new client takes the place of a connection that has not introduced itself, or of a session that has been idle for 10 seconds; if there is none, the new client gets 421 4.3.2. Applies on reload.",
      ),
    client_connections: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(100)
      .describe(
        "Connections open at once from one IPv4 address or IPv6 /64, TLS handshakes included; large senders use a few dozen. Loopback and relay.networks are not counted. 0 means no limit. Applies on reload.",
      ),
    client_connection_rate: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(600)
      .describe(
        "New connections per minute from one IPv4 address or IPv6 /64. The default, ten per second, is more than a good sender, which reuses sessions, ever makes. Further connections get 421 4.7.0; on a listener with implicit TLS they are closed before the handshake. Loopback and relay.networks are not counted. 0 means no limit. Applies on reload.",
      ),
    client_message_rate: z
      .int()
      .min(0)
      .max(10_000_000)
      .default(6000)
      .describe(
        "Messages per minute from one IPv4 address or IPv6 /64; further messages get 450 4.7.1. Loopback and relay.networks are not counted. 0 means no limit. Applies on reload.",
      ),
    new_recipients: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(0)
      .describe(
        "Addresses in other domains that one user may write to within 24 hours without having written to them before; further ones get 450 4.7.1. It bounds what a stolen password is good for: people write to a few dozen new addresses a day, newsletters to many. The server remembers the last 10,000 addresses of each user, up to 500,000 for all users, and forgets them when it restarts. 0 means no limit. Applies on reload.",
      ),
    errors: z
      .int()
      .min(3)
      .max(10_000)
      .default(20)
      .describe(
        "Errors that a client may make in one session before it gets 421 4.7.0. RFC 4954 §9 asks servers to allow at least three failed logins. Applies on reload to new sessions.",
      ),
    refused_recipients: z
      .int()
      .min(10)
      .max(100_000)
      .default(100)
      .describe(
        "Recipients that may be refused in one session before the client gets 421 4.7.0. They are not counted as errors: a mailing list with a few dead addresses is not an attack, but guessing hundreds of names is. Applies on reload to new sessions.",
      ),
    free_space: byteSize()
      .prefault("100MB")
      .describe(
        "Space that must stay free on the disk of data_dir after a message is stored. If there is less, mail is deferred with 452 4.3.1. Applies on reload.",
      ),
    free_inodes: z
      .int()
      .min(0)
      .max(1_000_000_000)
      .default(1000)
      .describe(
        "Files that must be possible to create on the file system of data_dir. If there are fewer, new sessions get 421 4.3.2. 0 means no limit. Applies on reload.",
      ),
    memory_share: z
      .int()
      .min(0)
      .max(100)
      .default(90)
      .describe(
        "Percent of its memory that the server may use: of the container's limit or the machine's memory, and of JavaScript's heap. Above it, new sessions get 421 4.3.2 while open sessions and deliveries go on. 0 means no limit. Applies on reload.",
      ),
    spool_delay: duration({ minMs: 0, maxMs: 600_000 })
      .prefault("10s")
      .describe(
        "How long storing a message may take. After one that took longer, new sessions get 421 4.3.2 until storing is faster again, or for some 20 seconds if nothing is stored. 0 means no limit. Applies on reload.",
      ),
    event_loop_delay: duration({ minMs: 0, maxMs: 600_000 })
      .prefault("1s")
      .describe(
        "How late the server's timers may run on average, because the processor is overloaded. If they are later for two seconds, new sessions get 421 4.3.2 until they are punctual. 0 means no limit. Applies on reload.",
      ),
    header_size: byteSize({ min: 65_536, max: 16_777_216 })
      .prefault("1MiB")
      .describe(
        "Largest header section, which is held in memory while it arrives. Real header sections stay below 100 KB. Larger ones get 552 5.3.4. Applies on reload to new sessions.",
      ),
    session_memory: byteSize({ min: 16_777_216 })
      .prefault("256MB")
      .describe(
        "Memory that all sessions together may hold: recipients, header sections, content that is not written yet, and input that waits. When it runs short, the sessions that hold the most get 452 4.3.2, or 421 4.3.2 if it is input that they hold. Applies on reload.",
      ),
    idle_timeout: duration({ minMs: 10_000, maxMs: 86_400_000 })
      .prefault("5m")
      .describe(
        "How long the server waits for a client's next command or piece of content before it closes the session with 421 4.4.2. RFC 5321 §4.5.3.2.7 asks for at least 5 minutes. Applies on reload to new sessions.",
      ),
    session_timeout: duration({ minMs: 60_000, maxMs: 604_800_000 })
      .prefault("2h")
      .describe(
        "How long a whole session may last before the server closes it with 421 4.4.2, so that a client that sends very slowly cannot keep one open for ever. Applies on reload to new sessions.",
      ),
  })
  .describe("Limits on what clients may use.");

/** Sizes in octets, durations in milliseconds. */
export type LimitsSettings = z.output<typeof limitsSettings>;

/** 0 means never. */
const perHour = (allowed: number) => z.int().min(0).max(1_000_000).default(allowed);

export const bansSettings = z
  .strictObject({
    failed_logins: perHour(25).describe(
      "Failed logins per hour from one IPv4 address or IPv6 /64 before the network is banned from the submission and submissions listeners. 0 means never. Applies on reload.",
    ),
    unknown_recipients: perHour(100).describe(
      "Unknown recipients per hour from one network before it is banned from the listener kind where it named them. Each accepted recipient gives one back, so only a network that mostly guesses is banned. 0 means never. Applies on reload.",
    ),
    errors: perHour(200).describe(
      "Refused commands (unknown, malformed, out of order) per hour from one network before it is banned from the listener kind where it sent them. Each accepted recipient gives one back. 0 means never. Applies on reload.",
    ),
    first: duration({ minMs: 1000, maxMs: 604_800_000 })
      .prefault("10m")
      .describe("How long the first ban of a network lasts. Each further ban is twice as long. Applies on reload."),
    longest: duration({ minMs: 1000, maxMs: 2_592_000_000 })
      .prefault("1d")
      .describe("The longest ban. Applies on reload."),
    tarpit: duration({ minMs: 0, maxMs: 60_000 })
      .prefault("2s")
      .describe(
        "How long the server keeps back the reply to a failed login, an unknown recipient or an error once its network has used up half of its allowance. It costs the server one timer. 0s means no delay. Applies on reload.",
      ),
    never: networkList()
      .prefault([])
      .describe(
        "Networks that are never banned: an office, a proxy, a monitor. Loopback, private addresses, relay.networks, and networks from which a user has logged in during the last 7 days are never banned either. Applies on reload.",
      ),
  })
  .describe("Networks that misbehave for hours are banned for a time; see docs/abuse.md.");

export type BansSettings = z.output<typeof bansSettings>;
