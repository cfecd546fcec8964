/** What belongs to the server as a whole: its name, its data, its certificate, its resolver. */
import { z } from "zod";
import { parseIpAddress } from "../address/ip-address.ts";
import { domainKeyOf, isAsciiDomain } from "../address/domain.ts";
import { duration, filePath, parseListenAddress } from "../lib/setting-types.ts";

export const hostname = z
  .string()
  .refine(
    (text) => isAsciiDomain(text) && domainKeyOf(text) !== undefined && !text.startsWith("["),
    'write the server\'s full name in A-labels: "mail.example.org"',
  )
  .describe(
    "The server's full name in A-labels, as its reverse DNS gives it: greeting, EHLO, Received fields (RFC 5321 §2.3.5). A reload does not change it.",
  );

export const dataDir = filePath().describe(
  "Folder of the spool, made users and captured mail; one server at a time uses it. A reload does not move it.",
);

export const stopWithin = duration({ minMs: 0, maxMs: 3_600_000 })
  .prefault("30s")
  .describe("How long shutdown waits for deliveries in progress before they return to the queue. Applies on reload.");

export const tlsSettings = z
  .strictObject({
    certificate: filePath()
      .optional()
      .describe(
        "PEM file with the certificate and its chain, the server's own first. Re-read when it changes. Without it a self-signed one is made in data_dir, with a warning.",
      ),
    key: filePath()
      .optional()
      .describe("PEM file with the private key, without a passphrase. Re-read when it changes."),
  })
  .describe("The certificate of all listeners.");

export const dnsSettings = z
  .strictObject({
    servers: z
      .array(
        z
          .string()
          .refine(
            (text) => parseIpAddress(text) !== undefined || parseListenAddress(text)?.kind === "ip",
            'write an IP address, with or without a port: "192.0.2.53" or "[::1]:5353"',
          ),
      )
      .min(1)
      .max(8)
      .optional()
      .describe(
        "Resolvers asked in this order, an address with or without a port (53); by default the system's. `check dns` and `check message` ask them, too. DANE needs one that validates DNSSEC, on this machine. A reload does not change them.",
      ),
  })
  .describe("Where names are looked up.");

export const historySettings = z
  .strictObject({
    keep: duration({ minMs: 60_000, maxMs: 10 * 365 * 86_400_000 })
      .prefault("30d")
      .describe(
        "How long finished messages and what happened to them can be explained; their content goes at once. Applies on reload.",
      ),
  })
  .describe("What is remembered of messages that are done.");

export const logSettings = z
  .strictObject({
    level: z
      .enum(["debug", "info", "warn", "error"])
      .default("info")
      .describe(
        "Least level that is written; docs/log-events.md has the level of each event. Applies at the next start.",
      ),
  })
  .describe("What is written to standard output.");

export type TlsSettings = z.output<typeof tlsSettings>;
export type DnsSettings = z.output<typeof dnsSettings>;
