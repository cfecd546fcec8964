/** What belongs to the server as a whole: its name, its data, its certificate, its resolver. */
import { z } from "zod";
import { acmeSettings } from "../acme/settings.ts";
import { parseIpAddress } from "../address/ip-address.ts";
import { domainKeyOf, isAsciiDomain } from "../address/domain.ts";
import { parseEndpoint } from "../lib/endpoint.ts";
import { duration, filePath } from "../lib/setting-types.ts";

export const hostname = z
  .string()
  .refine(
    (text) => isAsciiDomain(text) && domainKeyOf(text) !== undefined && !text.startsWith("["),
    'write the server\'s full name in A-labels: "mail.example.org"',
  )
  .describe(
    "The server's full name in A-labels, which should match its reverse DNS. The greeting, EHLO and Received fields use it (RFC 5321 §2.3.5). A reload does not change it.",
  );

export const dataDir = filePath().describe(
  "Folder of the spool, of the users that commands create, and of captured mail. Only one server may use it at a time. A reload does not change it.",
);

export const stopWithin = duration({ minMs: 0, maxMs: 3_600_000 })
  .prefault("30s")
  .describe("How long shutdown waits for deliveries in progress before they return to the queue. Applies on reload.");

/** For one more name: a company's own mail server rarely has more than a handful. */
const certificatesMax = 100;

const namedCertificate = z
  .strictObject({
    certificate: filePath().describe("PEM file with the certificate and its chain, as `tls.certificate`."),
    key: filePath().describe("PEM file with its private key, as `tls.key`."),
    names: z
      .array(
        z
          .string()
          .refine(
            (text) => isAsciiDomain(text.replace(/^\*\./, "")) && !text.startsWith("["),
            'write a name in A-labels, "smtp.example.net" or "*.example.net"',
          ),
      )
      .max(100)
      .default([])
      .describe(
        "Names for which clients are shown this certificate, which must be for all of them; `*.` stands for one label. By default, all DNS names in the certificate.",
      ),
  })
  .describe(
    "A certificate for clients that ask for one of its names (SNI, RFC 6066 §3). An exact name goes before a wildcard, and then the first certificate wins. Applies on reload.",
  );

export const tlsSettings = z
  .strictObject({
    certificate: filePath()
      .optional()
      .describe(
        "PEM file with the certificate for hostname and its chain, the server's own certificate first. The server reads it again when it changes. Without it, the server creates a self-signed certificate in data_dir and logs a warning.",
      ),
    key: filePath()
      .optional()
      .describe("PEM file with the private key, without a passphrase. The server reads it again when it changes."),
    certificates: z.array(namedCertificate).max(certificatesMax).default([]),
    acme: acmeSettings.optional(),
  })
  .describe("The certificates of all listeners.");

export const dnsSettings = z
  .strictObject({
    servers: z
      .array(
        z
          .string()
          .refine(
            (text) => parseIpAddress(text) !== undefined || parseEndpoint(text)?.kind === "ip",
            'write an IP address, with or without a port: "192.0.2.53" or "[::1]:5353"',
          ),
      )
      .min(1)
      .max(8)
      .optional()
      .describe(
        "Resolvers, asked in this order: addresses with or without a port (default 53). By default, the system's resolvers. `check dns` and `check message` use them, too. A reload does not change them.",
      ),
    trusted: z
      .boolean()
      .default(false)
      .describe(
        "Whether DNS servers that are not on this machine are believed when they say that they validated an answer (DNSSEC). Only for servers that validate, over a network on which no one else can answer in their place. DNS servers on this machine are always believed. DANE needs it. A reload does not change it.",
      ),
  })
  .describe("The DNS resolvers.");

export const historySettings = z
  .strictObject({
    keep: duration({ minMs: 60_000, maxMs: 10 * 365 * 86_400_000 })
      .prefault("30d")
      .describe(
        "How long the history of finished messages is kept for `explain`; their content is deleted at once. Applies on reload.",
      ),
  })
  .describe("What is kept of finished messages.");

export const logSettings = z
  .strictObject({
    level: z
      .enum(["debug", "info", "warn", "error"])
      .default("info")
      .describe(
        "The lowest level that is written; docs/log-events.md lists the level of each event. Applies at the next start.",
      ),
  })
  .describe("What the log on standard output contains.");

export type TlsSettings = z.output<typeof tlsSettings>;
export type DnsSettings = z.output<typeof dnsSettings>;
