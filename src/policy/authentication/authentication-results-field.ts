/**
 * What was found, as the methods of an Authentication-Results field (RFC 8601 §2.7). Local-parts that nobody verified are
 * not repeated (§2.7.2): SPF authorizes a host for a domain, not for a mailbox.
 */
import type { ArcOutcome } from "../../arc/arc-outcome.ts";
import type { DkimOutcome } from "../../dkim/dkim-outcome.ts";
import type { DmarcOutcome } from "../../dmarc/dmarc-outcome.ts";
import type { MethodResult, ResultProperty } from "../../message/authentication-results.ts";
import type { SpfOutcome } from "../../spf/spf-outcome.ts";
import type { ReverseDnsOutcome } from "./reverse-dns.ts";
import type { SenderFindings, SenderHandling } from "./sender-verdict.ts";

/** A sender may write thousands of signatures, and each would make the field longer by up to two kilobytes. */
const signaturesTold = 10;

/** In the order in which DMARC builds on them. */
export function methodResults(
  findings: SenderFindings,
  handling: SenderHandling,
  clientAddress: string,
): readonly MethodResult[] {
  const { spf, helo, dkim, arc, dmarc, iprev } = findings;
  return [
    iprevResult(iprev, clientAddress),
    spfResult(spf),
    ...(helo === undefined || helo.result === "none" ? [] : [spfResult(helo)]),
    ...dkimResults(dkim),
    arcResult(arc, clientAddress),
    dmarcResult(dmarc, handling),
  ];
}

function spfResult({ result, identity, domain, reason }: SpfOutcome): MethodResult {
  const name = identity === "mailfrom" ? "mailfrom" : "helo";
  return {
    method: "spf",
    result,
    properties: domain === "" ? [] : [{ type: "smtp", property: name, value: domain }],
    ...(result !== "pass" && result !== "none" && { comment: reason }),
  };
}

/** Those that pass are all told, however many others stand above them: no more are judged. */
function dkimResults(outcomes: readonly DkimOutcome[]): readonly MethodResult[] {
  if (outcomes.length === 0) return [{ method: "dkim", result: "none", properties: [] }];
  let othersLeft = signaturesTold - outcomes.filter(({ result }) => result === "pass").length;
  const told = outcomes.filter(({ result }) => result === "pass" || othersLeft-- > 0).map(dkimResult);
  const untold = outcomes.length - told.length;
  if (untold === 0) return told;
  return [...told, { method: "dkim", result: "policy", reason: `${untold} more signatures`, properties: [] }];
}

function dkimResult(outcome: DkimOutcome): MethodResult {
  const { result, reason, domain, identity, selector, algorithm, signatureStart, testing } = outcome;
  const properties: ResultProperty[] = [];
  const add = (property: string, value: string | undefined) => {
    if (value !== undefined && value !== "") properties.push({ type: "header", property, value });
  };
  add("d", domain);
  // i= may bear a local-part: the signature that passes vouches for it, any other for nothing.
  if (result === "pass") add("i", identity);
  add("s", selector);
  add("a", algorithm);
  add("b", signatureStart);
  const test = testing ? { comment: "the key is for testing" } : undefined;
  return { method: "dkim", result, properties, ...(result !== "pass" && { reason }), ...test };
}

/** RFC 8617 §6, §10.2: `smtp.remote-ip` is what later sealers know of this hop. */
function arcResult({ result, detail, instance, oldestPass }: ArcOutcome, clientAddress: string): MethodResult {
  if (result === "none") return { method: "arc", result, properties: [] };
  const properties: ResultProperty[] =
    clientAddress === "" ? [] : [{ type: "smtp", property: "remote-ip", value: clientAddress }];
  if (oldestPass !== undefined) {
    properties.unshift({ type: "header", property: "oldest-pass", value: String(oldestPass) });
  }
  return { method: "arc", result, properties, comment: result === "fail" ? detail : `i=${instance}` };
}

function dmarcResult({ result, authorDomain, record, policy, policyTag }: DmarcOutcome, handling: SenderHandling) {
  const properties: ResultProperty[] = [];
  if (authorDomain !== undefined) properties.push({ type: "header", property: "from", value: authorDomain });
  if (record !== undefined) properties.push({ type: "policy", property: "dmarc", value: policy });
  const published = record === undefined ? "" : `${policyTag ?? "p"}=${record[policyTag ?? "p"] ?? record.p} `;
  const comment = `${published}dis=${dispositionOf(handling)}`;
  return { method: "dmarc", result, properties, ...(record !== undefined && { comment }) };
}

/** What was done with a message in the words of DMARC's reports; a message deferred counts when it comes again. */
export function dispositionOf({ disposition, decision }: SenderHandling): "none" | "quarantine" | "reject" {
  if (decision?.verdict === "reject") return "reject";
  return disposition === "junk" ? "quarantine" : "none";
}

/** RFC 8601 §2.7.3. */
function iprevResult({ result, name }: ReverseDnsOutcome, clientAddress: string): MethodResult {
  return {
    method: "iprev",
    result,
    properties: clientAddress === "" ? [] : [{ type: "policy", property: "iprev", value: clientAddress }],
    ...(result === "pass" && name !== undefined && { comment: name }),
  };
}
