/** Where a recipient's mail goes next: the result of routing, as a value. */
import type { TlsDemand } from "../ports/tls-demand.ts";
import type { PasswordCredentials } from "../smtp/client/authentication.ts";

/** What TLS towards one host has to give, and why (tls-policy.ts decides it). */
export interface TlsDecision {
  readonly demand: TlsDemand;
  readonly reason: TlsReason;
  /** An enforced MTA-STS policy lists the host, whatever decided: its name is sure without a signed MX answer. */
  readonly listed?: true;
}

export interface TlsReason {
  /** Which rule decided: one of the fixed names of tls-policy.ts, or that of a published policy. */
  readonly rule: string;
  /** The setting that the rule read: `route.tls`. */
  readonly setting?: string;
}

export type HopCredentials =
  | PasswordCredentials
  /** `oauth`: the `[[oauth.client]]` whose provider gives the access token. */
  | { readonly username: string; readonly oauth: string };

/** One host of a next hop with all its addresses, in the order in which they are tried. */
export interface HopHost {
  /** Name for TLS, logs and Remote-MTA; an address literal's text where there is no name. */
  readonly name: string;
  readonly addresses: readonly string[];
  /** DNS answers led here, and all of them were validated (RFC 4035 §3.2.3): MX, where there is one, and addresses. */
  readonly secure: boolean;
  readonly tls: TlsDecision;
}

export type NextHop =
  | {
      readonly kind: "smtp";
      /** Recipients whose MX sets are equal share a site: limits, reuse and fairness work on it. */
      readonly site: string;
      /** In the order in which they are tried: by preference, equals shuffled. */
      readonly hosts: readonly HopHost[];
      /**
       * Names of the site's other hosts, which cannot be asked now: the DNS did not answer for them, or their policy
       * excludes them for now. What the hosts above lack is not final while there are any.
       */
      readonly unasked?: readonly string[];
      readonly port: number;
      /** TLS from the first octet (a relay host on 465). */
      readonly implicitTls: boolean;
      /** A route names the host: what it asks of us is a matter of settings. */
      readonly isRelay?: true;
      readonly credentials?: HopCredentials;
      /** Trusted besides the usual authorities; PEM. */
      readonly certificateAuthorities?: readonly string[];
      /** false: 8-bit content is reported with 5.6.3 where the server lacks 8BITMIME, not converted. */
      readonly convert?: boolean | undefined;
      /** For people: `mx example.org` or `relay relay.test:2525`. */
      readonly description: string;
    }
  | {
      readonly kind: "lmtp";
      readonly site: string;
      readonly endpoint:
        | { readonly kind: "unix"; readonly path: string; readonly tls: TlsDecision }
        | { readonly kind: "hosts"; readonly hosts: readonly HopHost[]; readonly port: number };
      readonly credentials?: HopCredentials;
      /** Trusted besides the usual authorities; PEM. */
      readonly certificateAuthorities?: readonly string[];
      /** false: 8-bit content is reported with 5.6.3 where the server lacks 8BITMIME, not converted. */
      readonly convert?: boolean | undefined;
      readonly description: string;
    }
  /** `path` is a template: `{user}`, `{domain}`, `{address}` are replaced by the recipient's, made safe for a path. */
  | { readonly kind: "maildir"; readonly site: string; readonly path: string; readonly description: string }
  /** Handed to the program that runs this server. */
  | { readonly kind: "program"; readonly site: string; readonly description: string }
  | { readonly kind: "capture"; readonly site: string; readonly description: string }
  /** Read, kept, and shown as reports about our domains. */
  | { readonly kind: "reports"; readonly site: string; readonly description: string }
  | { readonly kind: "discard"; readonly site: string; readonly description: string };
