/**
 * TLS in a simulated world: which certificate answers at each mail host, what a handshake there comes to, and the web hosts
 * that policies come from. What the server demands is judged as the real network judges it, on the clock of its machine; who
 * a certificate really belongs to is known here alone, and the checkers go by that.
 */
import { createHash } from "node:crypto";
import { demandsVerification, verifyDane } from "../../src/dane/verify-dane.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { TlsClientOptions, TlsFacts } from "../../src/ports/network.ts";
import type { PolicyFetcher, PolicyResponse } from "../../src/ports/policy-fetcher.ts";
import type { TlsaRecord } from "../../src/ports/resolver.ts";
import type { TlsOutcome } from "../../src/testing/memory-handshake.ts";
import type { SimulatedDns } from "../../src/testing/simulated-dns.ts";

/** DANE-EE, of the whole certificate, as SHA-256: any octets can stand for a certificate then. */
const daneEe = { usage: 3, selector: 0, matching: 1 } as const;

export interface Certificate {
  /** Stands for its octets. */
  readonly label: string;
  readonly names: readonly string[];
  /** A well-known authority issued it. */
  readonly isTrusted: boolean;
  /** In wall-clock time. */
  readonly notAfter?: number;
  /** Its holder is who its names say. */
  readonly isGenuine: boolean;
}

/** How a mail host answers STARTTLS, when it offers it. */
export interface MailHost {
  certificate: Certificate;
  handshake: "works" | "fails" | "stalls";
  offersStartTls: boolean;
}

/** What a web host has at the place of the policy; or why nobody gets there. */
export type PolicyPage =
  | { readonly status: number; readonly contentType: string; readonly body: string }
  | { readonly fault: Extract<PolicyResponse, { readonly kind: "failure" }>["fault"] };

/** What left our server for a mail host, as it went over the wire. */
export interface WireEntry {
  /** In monotonic time. */
  readonly at: number;
  readonly address: string;
  /** `password`: any part of a login. */
  readonly what: "recipient" | "password";
  /** Of a recipient. */
  readonly domain: string;
  /** The certificate of the host; undefined: in clear. */
  readonly certificate: Certificate | undefined;
}

/** Mail for the domain leaves over TLS with a genuine certificate or not at all, because of what the domain publishes. */
export interface Guard {
  readonly domain: string;
  readonly by: "dane" | "mta-sts";
}

export class TlsWorld {
  readonly guards: Guard[] = [];
  /** Of all connections, oldest first. */
  readonly wire: WireEntry[] = [];
  /** Policies that our server was given, in monotonic time. */
  readonly fetched: { readonly domain: string; readonly at: number }[] = [];
  /** By address. */
  readonly #hosts = new Map<string, MailHost>();
  /** By domain. */
  readonly #pages = new Map<string, PolicyPage>();
  /** By label, those that were shown. */
  readonly #certificates = new Map<string, Certificate>();
  readonly #clock: Clock;
  readonly #dns: SimulatedDns;

  constructor(clock: Clock, dns: SimulatedDns) {
    this.#clock = clock;
    this.#dns = dns;
  }

  /** The host at the address, which changes as the scene wants. */
  host(address: string, certificate: Certificate): MailHost {
    const host: MailHost = { certificate, handshake: "works", offersStartTls: true };
    this.#hosts.set(address, host);
    return host;
  }

  /** For a handshake with the host at the address. */
  outcome(address: string, client: TlsClientOptions): TlsOutcome | undefined {
    const host = this.#hosts.get(address);
    if (host === undefined) return undefined;
    switch (host.handshake) {
      case "fails":
        return { kind: "failed", reason: "handshake failure" };
      case "stalls":
        return { kind: "stalled" };
      case "works":
        return { kind: "established", facts: this.#facts(host.certificate, client) };
      default:
        return host.handshake satisfies never;
    }
  }

  certificateOf(tls: TlsFacts | undefined): Certificate | undefined {
    const label = tls?.peerCertificate?.fingerprint256;
    return label === undefined ? undefined : this.#certificates.get(label);
  }

  /** The host's zone vouches for these certificates from now on, once what is in caches has run out. */
  publishTlsa(host: string, ...certificates: readonly Certificate[]): void {
    const records = certificates.map((certificate): TlsaRecord => ({
      ...daneEe,
      data: createHash("sha256").update(octetsOf(certificate)).digest(),
    }));
    this.#dns.records.remove(tlsaName(host)).add(tlsaName(host), "TLSA", ...records);
    this.#dns.setTtl(tlsaName(host), 60);
  }

  /** Somebody says so, and no signature does. */
  publishUnsignedTlsa(host: string, ...certificates: readonly Certificate[]): void {
    this.publishTlsa(host, ...certificates);
    this.#dns.leaveUnsigned(tlsaName(host));
  }

  withdrawTlsa(host: string): void {
    this.#dns.records.remove(tlsaName(host));
  }

  /** Whoever asks for the records is told that nobody can say: they are not what the zone signed. */
  spoilTlsa(host: string): void {
    this.#dns.failZone(tlsaName(host));
  }

  mendTlsa(host: string): void {
    this.#dns.healZone(tlsaName(host));
  }

  /** The domain has this policy from now on, and its record says so. */
  publishPolicy(domain: string, policy: { readonly id: string; readonly lines: readonly string[] }): void {
    const name = `_mta-sts.${domain}`;
    this.#dns.records.remove(name).add(name, "TXT", `v=STSv1; id=${policy.id};`);
    this.#dns.setTtl(name, 60);
    const body = `${["version: STSv1", ...policy.lines].join("\r\n")}\r\n`;
    this.#pages.set(domain, { status: 200, contentType: "text/plain", body });
  }

  withdrawRecord(domain: string): void {
    this.#dns.records.remove(`_mta-sts.${domain}`);
  }

  page(domain: string, page: PolicyPage): void {
    this.#pages.set(domain, page);
  }

  /** What the domain publishes protects its mail from the start. */
  guard(domain: string, by: Guard["by"]): void {
    this.guards.push({ domain, by });
  }

  /** HTTPS of one life of the server. */
  fetcher(clock: Clock): PolicyFetcher {
    return {
      fetch: async (host) => {
        const domain = host.replace(/^mta-sts\./, "");
        const page = this.#pages.get(domain);
        await clock.sleep(page !== undefined && "fault" in page && page.fault === "time-out" ? 30_000 : 120);
        if (page === undefined) return { kind: "failure", fault: "dns", detail: `no address for ${host}` };
        if ("fault" in page) return { kind: "failure", fault: page.fault, detail: `${host}: ${page.fault}` };
        if (page.status === 200) this.fetched.push({ domain, at: this.#clock.monotonicMs() });
        return { kind: "response", ...page, body: Buffer.from(page.body) };
      },
    };
  }

  #facts(certificate: Certificate, client: TlsClientOptions): Partial<TlsFacts> {
    this.#certificates.set(certificate.label, certificate);
    const { label, notAfter = 0 } = certificate;
    const validTo = new Date(notAfter).toUTCString();
    const peerCertificate = { subject: label, issuer: label, validTo, fingerprint256: label };
    return { peerCertificate, ...this.#verdict(certificate, client) };
  }

  #verdict(certificate: Certificate, { demand, serverName }: TlsClientOptions): Partial<TlsFacts> {
    const now = this.#clock.now();
    if (demand.kind === "dane" && demandsVerification(demand)) {
      const verdict = verifyDane([octetsOf(certificate)], demand.records, demand.names, now);
      if (verdict.kind === "verified") return { verified: true, verifiedBy: "dane-ee" };
      return { verified: false, verifyError: `DANE: ${verdict.reason}` };
    }
    const names = demand.kind === "pki" ? demand.names : [serverName];
    const fault = faultOf(certificate, names, now);
    return fault === undefined ? { verified: true, verifiedBy: "pki" } : { verified: false, verifyError: fault };
  }
}

function faultOf(certificate: Certificate, names: readonly string[], now: number): string | undefined {
  const { isTrusted, notAfter = Number.POSITIVE_INFINITY } = certificate;
  if (!isTrusted) return "self-signed certificate";
  if (now > notAfter) return "certificate has expired";
  return names.some((name) => certificate.names.includes(name))
    ? undefined
    : "Hostname/IP does not match certificate's altnames";
}

function octetsOf({ label }: Certificate): Buffer {
  return Buffer.from(label);
}

function tlsaName(host: string): string {
  return `_25._tcp.${host}`;
}
