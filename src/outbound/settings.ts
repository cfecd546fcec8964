/** The `[outbound]` section of the configuration: how we connect to other servers, and how long we wait for them. */
import { z } from "zod";
import { parseIpAddress } from "../lib/ip-network.ts";
import { duration } from "../lib/setting-types.ts";
import { refusalPatienceMs } from "./door-refusal.ts";
import { standardTimeouts, type ClientTimeouts } from "../smtp/client/timeouts.ts";

/** Tests use short waits; waiting longer than an hour for one reply never helps. */
const wait = (standard: string, meaning: string) =>
  duration({ minMs: 1, maxMs: 3_600_000 }).prefault(standard).describe(`${meaning} Applies to new connections.`);

const timeoutSettings = z
  .strictObject({
    connect: wait("30s", "Wait for one address to answer, before the next address is tried."),
    tls: wait("30s", "Wait for a TLS handshake to finish; after that, opportunistic TLS continues without encryption."),
    greeting: wait("5m", "Wait for the greeting. RFC 5321 §4.5.3.2.1 asks for 5m."),
    hello: wait("5m", "Wait for the reply to EHLO, HELO or LHLO."),
    mail: wait("5m", "Wait for the reply to MAIL. RFC 5321 §4.5.3.2.2 asks for 5m."),
    recipient: wait("5m", "Wait for the reply to each RCPT. RFC 5321 §4.5.3.2.3 asks for 5m."),
    data: wait("2m", "Wait for the reply to DATA. RFC 5321 §4.5.3.2.4 asks for 2m."),
    block: wait("3m", "Wait for a block of content to be sent. RFC 5321 §4.5.3.2.5 asks for 3m."),
    end_of_data: wait(
      "10m",
      "Wait for the reply after the end of the content. A shorter wait causes duplicates. RFC 5321 §4.5.3.2.6 asks for 10m.",
    ),
  })
  .describe("How long this server waits for another server at each step.");

export const outboundSettings = z
  .strictObject({
    port: z
      .int()
      .min(1)
      .max(65_535)
      .default(25)
      .describe("Port of other servers' MX hosts. Ports other than 25 are for tests. Applies on reload."),
    bind: z
      .array(z.string().refine((text) => parseIpAddress(text) !== undefined, "write an IP address of this machine"))
      .max(64)
      .default([])
      .describe(
        "Local addresses to connect from: the first one in the address family (IPv4 or IPv6) of the other server is used. Default: the system chooses. Applies on reload.",
      ),
    allow_private: z
      .boolean()
      .default(false)
      .describe(
        "Whether to connect to MX hosts on loopback or private addresses. The host of a route may always have one. Applies on reload.",
      ),
    keep_idle: duration({ maxMs: 60_000 })
      .prefault("3s")
      .describe(
        "How long an idle connection stays open for the next message to the same site; 0s closes it at once. Applies on reload.",
      ),
    messages_per_connection: z
      .int()
      .min(1)
      .max(100_000)
      .default(100)
      .describe("Messages sent over one connection before it is closed. Applies on reload."),
    addresses_per_attempt: z
      .int()
      .min(2)
      .max(50)
      .default(10)
      .describe(
        "How many addresses of a site's hosts are tried in one attempt, IPv4 and IPv6 together. RFC 5321 §5.1 asks for at least 2. Applies on reload.",
      ),
    dane: z
      .boolean()
      .default(true)
      .describe(
        "Whether TLSA records of mail hosts decide which certificates they may have (DANE, RFC 7672). It needs DNS servers that validate DNSSEC and can be trusted: on this machine, or `dns.trusted`. A route's `tls` goes before it. Applies on reload.",
      ),
    mta_sts: z
      .boolean()
      .default(true)
      .describe(
        "Whether the policies that domains publish over HTTPS decide which hosts may take their mail, and that these need a valid certificate (MTA-STS, RFC 8461). DANE and a route's `tls` go before it. Applies on reload.",
      ),
    timeout: timeoutSettings.prefault({}),
  })
  .describe("Connections to other servers.");

export type OutboundSettings = z.output<typeof outboundSettings>;

/** What the delivery agent needs to know, as plain values. */
export interface SmtpDeliverySettings {
  /** Our host name for EHLO, HELO and LHLO. */
  readonly heloName: string;
  readonly bindAddresses: readonly string[];
  readonly keepIdleMs: number;
  readonly messagesPerConnection: number;
  readonly addressesPerAttempt: number;
  readonly connectTimeoutMs: number;
  readonly tlsTimeoutMs: number;
  readonly timeouts: ClientTimeouts;
  /** How old a message must be before a refusal of this server by every host of its site is final. */
  readonly refusalPatienceMs: number;
}

export function smtpDeliverySettings(
  hostname: string,
  settings: OutboundSettings,
  warnAfterMs: number,
): SmtpDeliverySettings {
  const { timeout } = settings;
  return {
    refusalPatienceMs: refusalPatienceMs(warnAfterMs),
    heloName: hostname,
    bindAddresses: settings.bind,
    keepIdleMs: settings.keep_idle,
    messagesPerConnection: settings.messages_per_connection,
    addressesPerAttempt: settings.addresses_per_attempt,
    connectTimeoutMs: timeout.connect,
    tlsTimeoutMs: timeout.tls,
    timeouts: {
      ...standardTimeouts,
      greetingMs: timeout.greeting,
      helloMs: timeout.hello,
      mailMs: timeout.mail,
      recipientMs: timeout.recipient,
      dataInitiationMs: timeout.data,
      dataBlockMs: timeout.block,
      dataTerminationMs: timeout.end_of_data,
    },
  };
}
