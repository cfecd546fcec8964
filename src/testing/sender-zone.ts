/** A small world of domains with SPF, DKIM and DMARC records, and findings as values. For tests only. */
import type { SenderFindings } from "../policy/authentication/sender-verdict.ts";
import {
  authenticationSettings,
  dmarcSettings,
  type SenderAuthenticationSettings,
} from "../policy/authentication/settings.ts";
import { keyResolver } from "./signed-message.ts";
import type { StaticResolver } from "./static-resolver.ts";

/** Where honest mail of example.org comes from; it has a name that leads back. */
export const honestClient = "192.0.2.10";
/** Nobody's: no name, in no record. */
export const strangeClient = "198.51.100.66";

/**
 * `example.org` rejects, `calm.example` quarantines, `quiet.example` asks for nothing; each lets {@link honestClient} send.
 * `other.example` has SPF for {@link strangeClient} and no DMARC.
 */
export function senderZone(): StaticResolver {
  const resolver = keyResolver()
    .add("10.2.0.192.in-addr.arpa", "PTR", "mail.example.org")
    .add("mail.example.org", "A", honestClient)
    .add("other.example", "TXT", `v=spf1 ip4:${strangeClient} -all`);
  const policies = { "example.org": "reject", "calm.example": "quarantine", "quiet.example": "none" };
  for (const [domain, policy] of Object.entries(policies)) {
    resolver
      .add(domain, "TXT", `v=spf1 ip4:${honestClient} -all`)
      .add(`_dmarc.${domain}`, "TXT", `v=DMARC1; p=${policy}; rua=mailto:dmarc@${domain}`);
  }
  return resolver;
}

export interface SenderSettingsInput {
  readonly authentication?: Parameters<typeof authenticationSettings.parse>[0];
  readonly dmarc?: Parameters<typeof dmarcSettings.parse>[0];
}

export function senderSettings({ authentication = {}, dmarc = {} }: SenderSettingsInput = {}) {
  return {
    hostname: "mail.example.net",
    authentication: authenticationSettings.parse(authentication),
    dmarc: dmarcSettings.parse(dmarc),
  } satisfies SenderAuthenticationSettings;
}

/** Of a message of example.org (p=reject) that fails everything; a test changes what it is about. */
export function failingFindings(changes: Partial<SenderFindings> = {}): SenderFindings {
  const spf = {
    result: "fail",
    identity: "mailfrom",
    domain: "example.org",
    reason: "matched -all",
    lookups: 1,
    voidLookups: 0,
  } as const;
  const record = {
    p: "reject",
    adkim: "relaxed",
    aspf: "relaxed",
    testing: false,
    psd: "u",
    rua: [],
    ruf: [],
    fo: [],
  } as const;
  return {
    spf,
    dkim: [],
    arc: { result: "none", detail: "no chain", instance: 0, newestSealSaysFail: false, sealers: [] },
    dmarc: {
      result: "fail",
      detail: "nothing is aligned",
      authorDomain: "example.org",
      policyDomain: "example.org",
      organizationalDomain: "example.org",
      record,
      policy: "reject",
      policyTag: "p",
      spfAligned: false,
      dkimAligned: false,
    },
    iprev: { result: "permerror", detail: "no name" },
    ...changes,
  };
}
