/** DMARC: random trees of records, author domains and identifiers. */
import { dmarc } from "mailauth/lib/dmarc/index.js";
import type { DkimOutcome } from "../../src/dkim/dkim-outcome.ts";
import { dkimOutcome, spfOutcome } from "../../src/testing/dmarc-evidence.ts";
import { evaluateDmarc } from "../../src/dmarc/evaluate-dmarc.ts";
import { readAuthorDomain } from "../../src/dmarc/author-domain.ts";
import { parseHeaderFields } from "../../src/message/header-section.ts";
import { resolverOf, type ZoneData } from "../../src/testing/conformance-dns.ts";
import type { Choices } from "./choices.ts";
import type { Comparison } from "./comparison.ts";
import type { KnownDifference } from "./known-differences.ts";
import { nodeResolver } from "./oracle-dns.ts";

const tagNames: KnownDifference = {
  name: "names of tags in capitals",
  standard:
    "RFC 9989 §4.8 writes them as literals, which RFC 5234 §2.3 lets stand in any case; mailauth knows small letters",
};
const labels = ["a", "b", "mail", "shop", "x-y", "xn--bcher-kva"];
const roots = ["example.com", "example.co.test", "bank.example", "example", "other.com"];

export async function compareDmarc(choices: Choices): Promise<Comparison> {
  const zones: Record<string, ZoneData[string]> = {};
  const family = choices.pick(roots);
  const name = (): string => {
    const root = choices.mostly([family, ...roots]);
    const above = choices.several(choices.chance(0.1) ? 10 : 3, () => choices.pick(labels));
    return [...above, root].join(".");
  };
  const author = name();
  const identifiers = choices.several(3, () => choices.pick([author, name(), parentOf(author), `sub.${author}`]));
  const known = [author, ...identifiers].flatMap(parentsOf);
  for (const domain of known) {
    if (choices.chance(0.35)) zones[`_dmarc.${domain}`] = { TXT: records(choices).map((text) => [text]) };
    if (choices.chance(0.02)) zones[`_dmarc.${domain}`] = { rcode: "SERVFAIL" };
    if (choices.chance(0.5)) zones[domain] = choices.pick([{ A: ["192.0.2.1"] }, {}, { CNAME: ["gone.test"] }]);
    if (choices.chance(0.02)) zones[domain] = { rcode: "SERVFAIL" };
  }
  const resolver = resolverOf(zones);
  const [spfDomain, ...dkimDomains] = choices.chance(0.7) ? identifiers : [undefined, ...identifiers];
  const field = `From: ${choices.mostly([`a@${author}`, `A <a@${author.toUpperCase()}>`, `g: a@${author};`, `a@${author}, b@${author}`])}\r\n`;

  const ours = await evaluateDmarc(
    {
      author: readAuthorDomain(parseHeaderFields(Buffer.from(field))),
      spf: spfDomain === undefined ? undefined : spfOutcome("pass", spfDomain),
      nullReversePath: false,
      dkim: dkimDomains.map((domain): DkimOutcome => dkimOutcome("pass", domain ?? "")),
    },
    { resolver },
  );
  const theirs = await dmarc({
    headerFrom: [author],
    spfDomains: spfDomain === undefined ? [] : [spfDomain],
    dkimDomains: dkimDomains.map((domain) => ({ id: "1", domain: domain ?? "", aligned: false })),
    resolver: nodeResolver(resolver) as never,
    strict: true,
  } as never);
  const status = theirs === false ? "none" : theirs.status.result;
  const judgedTheirs =
    theirs === false || status === "none" || status === "temperror"
      ? status
      : `${status} ${String(theirs.policy)} spf=${flag(theirs.alignment?.spf?.result)} dkim=${flag(theirs.alignment?.dkim?.result)}`;
  // A record without use is "none" to them; that DMARC does not apply is all that matters.
  const result = ours.result === "permerror" ? "none" : ours.result;
  const judgedOurs =
    result === "none" || result === "temperror"
      ? result
      : `${result} ${ours.policy} spf=${String(ours.spfAligned)} dkim=${String(ours.dkimAligned)}`;
  const input = (): string => JSON.stringify({ field, spfDomain, dkimDomains, detail: ours.detail, zones }, null, 1);
  const capitals = Object.values(zones).some((zone) => "TXT" in zone && /P=/.test(JSON.stringify(zone.TXT)));
  return { ours: judgedOurs, theirs: judgedTheirs, input, known: capitals ? tagNames : undefined };
}

function flag(value: unknown): string {
  return String(value !== undefined && value !== false && value !== null);
}

function records(choices: Choices): string[] {
  const record = (): string => {
    const policies = ["none", "quarantine", "reject", "Reject", "foo", ""];
    const tags = [
      choices.chance(0.9) ? `p=${choices.mostly(policies.slice(choices.int(3)), 0.9)}` : "",
      choices.chance(0.3) ? `sp=${choices.mostly(policies.slice(choices.int(3)), 0.9)}` : "",
      choices.chance(0.3) ? `np=${choices.mostly(policies.slice(choices.int(3)), 0.9)}` : "",
      choices.chance(0.3) ? `adkim=${choices.pick(["r", "s", "S", "x"])}` : "",
      choices.chance(0.3) ? `aspf=${choices.pick(["r", "s", "R", ""])}` : "",
      choices.chance(0.2) ? `psd=${choices.pick(["y", "n", "u", "Y", "x"])}` : "",
      choices.chance(0.2) ? `t=${choices.pick(["y", "n", "Y", "x"])}` : "",
      choices.chance(0.4)
        ? `rua=${choices.pick(["mailto:a@b.test", "mailto:a@b.test!10m", "a@b.test", "", ",", "https://x.test/?a=b", "mailto:", "x:"])}`
        : "",
      choices.chance(0.1) ? `pct=${choices.pick(["0", "50", "x"])}` : "",
      choices.chance(0.05) ? choices.pick(["p=none", "v=DMARC1", "zz", "=x", "P=reject", "x=1;x=2"]) : "",
    ].filter((tag) => tag !== "");
    const version = choices.mostly(
      ["v=DMARC1", "v = DMARC1", "V=DMARC1", "v=dmarc1", "v=DMARC1x", " v=DMARC1", "v=spf1"],
      0.9,
    );
    const separator = choices.pick(["; ", ";", " ; ", ";\t"]);
    return [version, ...choices.shuffled(tags)].join(separator) + choices.pick(["", ";", " ;", "; "]);
  };
  return Array.from({ length: choices.chance(0.1) ? 2 : 1 }, record);
}

function parentOf(domain: string): string {
  const dot = domain.indexOf(".");
  return dot === -1 ? domain : domain.slice(dot + 1);
}

function parentsOf(domain: string): string[] {
  const parts = domain.split(".");
  return parts.map((_, index) => parts.slice(index).join("."));
}
