/** Both verifiers on one message, signature by signature. */
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { BodyHashes } from "../../src/dkim/body-hashes.ts";
import { DkimVerifier } from "../../src/dkim/verifier.ts";
import type { Instant } from "../../src/lib/instant.ts";
import { takeApart } from "../../src/testing/arc-fixture.ts";
import { resolverOf, type ZoneData } from "../../src/testing/conformance-dns.ts";
import type { Comparison } from "./comparison.ts";
import { knownDkimDifference } from "./dkim-differences.ts";
import type { KnownDifference } from "./known-differences.ts";
import { nodeResolver } from "./oracle-dns.ts";

interface TheirResult {
  readonly status: { readonly result: string; readonly comment?: string };
}

export async function judgeDkim(content: Buffer, zones: ZoneData, now: Instant): Promise<Comparison> {
  const resolver = resolverOf(zones);
  const { header, rest } = takeApart(content);
  const bodies = new BodyHashes();
  const verifier = new DkimVerifier(header, bodies, { resolver, now });
  bodies.push(rest);
  bodies.end();
  const ours = await verifier.finish();
  const verified = await dkimVerify(content, {
    resolver: nodeResolver(resolver) as never,
    strict: true,
    curTime: new Date(now),
  } as never);
  const theirs = (verified.results as readonly TheirResult[]).filter(({ status }) => status.result !== "none");
  const fields = header.all("dkim-signature");
  const reasons = ours.map(
    ({ reason, detail }, index) => `${reason}: ${detail} | ${theirs[index]?.status.comment ?? ""}`,
  );
  const input = (): string => JSON.stringify({ content: content.toString("latin1"), zones, reasons }, null, 1);

  let known: KnownDifference | undefined = bodies.malformedStart ? lineThatIsNoField : undefined;
  for (const [index, outcome] of bodies.malformedStart ? [] : ours.entries()) {
    const other = theirs[index]?.status;
    if (other === undefined || classOf(outcome.result) === classOf(other.result)) continue;
    const signature = fields[index]?.value ?? "";
    known = knownDkimDifference({ ours: outcome, comment: other.comment ?? "", zones, signature, content });
    // One that nobody can explain is what the case is about.
    if (known === undefined) break;
  }
  return {
    ours: ours.map(({ result }) => classOf(result)).join(", ") || "none",
    theirs: theirs.map(({ status }) => classOf(status.result)).join(", ") || "none",
    input,
    known,
  };
}

const lineThatIsNoField: KnownDifference = {
  name: "a line among the fields that is none",
  standard:
    "RFC 5322 §2.2, §3.5: the header section has fields only; from such a line on readers disagree about what is body, so " +
    "nothing passes. mailauth reads on to the empty line",
};

/**
 * Pass, temperror, or neither. The words for what does not pass are a matter of taste: RFC 8601 §2.7.1 has fail, neutral,
 * policy and permerror, and RFC 6376 §6.1 only PERMFAIL.
 */
function classOf(result: string): string {
  return ["pass", "temperror"].includes(result) ? result : "not pass";
}
