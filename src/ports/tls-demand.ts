/**
 * What TLS towards one host has to give before mail may go to it. The route decides it for each host, the network port
 * verifies it; neither a TLS session nor a kept connection serves another demand than the one it was made under.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { TlsaRecord } from "./resolver.ts";

export type TlsDemand =
  /** TLS is not asked for. */
  | { readonly kind: "none" }
  /** TLS where the host offers it, whoever it is (RFC 3207 §4); else in clear. */
  | { readonly kind: "opportunistic" }
  /** TLS, whoever answers. */
  | { readonly kind: "required" }
  /** TLS with a certificate of a trusted authority for one of these names, or addresses in their own form. */
  | {
      readonly kind: "pki";
      readonly names: readonly string[];
      /** Only names in subjectAltName count, never the common name, and a wildcard is a whole label (RFC 8461 §4.1). */
      readonly dnsNamesOnly?: true;
    }
  /**
   * TLS that one of the host's TLSA records vouches for (RFC 7672 §3.1); where none of them can be used, TLS, whoever
   * answers (RFC 7672 §2.2). The records are those of a secure answer.
   */
  | {
      readonly kind: "dane";
      readonly records: readonly TlsaRecord[];
      /** What a certificate under DANE-TA(2) may be for (RFC 7672 §3.2.2); DANE-EE(3) does not look at names. */
      readonly names: readonly string[];
    };

/** A demand that leads to a handshake. */
export type HandshakeDemand = Exclude<TlsDemand, { readonly kind: "none" }>;

/** The same text for the same demand and no other; of bounded length, and for machines only. */
export function demandKey(demand: TlsDemand): string {
  switch (demand.kind) {
    case "none":
    case "opportunistic":
    case "required":
      return demand.kind;
    case "pki":
      return `pki ${demand.dnsNamesOnly === true ? "dns " : ""}${digest(demand.names)}`;
    case "dane": {
      const records = demand.records.map(({ usage, selector, matching, data }) =>
        [usage, selector, matching, Buffer.from(data).toString("hex")].join(" "),
      );
      return `dane ${digest(records)} ${digest(demand.names)}`;
    }
    default:
      return demand satisfies never;
  }
}

/** DNS gives records in any order, which makes no difference to the demand. */
function digest(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts.toSorted())).digest("base64url");
}
