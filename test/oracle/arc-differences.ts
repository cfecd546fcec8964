/** Differences of ARC that are known; see known-differences.ts. */
import type { ArcOutcome } from "../../src/arc/arc-outcome.ts";
import type { KnownDifference } from "./known-differences.ts";

export interface ArcCase {
  readonly ours: ArcOutcome;
  readonly comment: string;
  readonly content: string;
}

/** Chains that we call failed and mailauth good, by what our sentence says. */
const refused: readonly (KnownDifference & { readonly detail: string })[] = [
  {
    name: "several From fields",
    standard: "RFC 8617 §4.1.2 with RFC 6376 §8.15: a message that is not RFC 5322 may be refused by the verifier",
    detail: "The message has several From fields",
  },
  {
    name: "l= in a message signature",
    standard:
      "RFC 6376 §8.2: a verifier may treat what l= leaves unsigned as it likes; here the message counts as changed",
    detail: "(l=)",
  },
  {
    name: "several key records",
    standard: "RFC 6376 §3.6.2.2: records must be unique for a selector, else results are undefined",
    detail: "there are several key records",
  },
  {
    name: "h= with an empty name",
    standard: "RFC 6376 §3.5 sig-h-tag: names with colons between; an empty one is none",
    detail: "h= is no list of field names",
  },
  {
    name: "b= with other characters",
    standard:
      "RFC 6376 §2.10 base64string: letters, digits, plus, slash and white space, with at most two equals signs at the end",
    detail: "b= is not base64",
  },
];

const olderMessageSignature: KnownDifference = {
  name: "an older message signature over ARC fields, or with rsa-sha1",
  standard:
    "RFC 8617 §5.2 step 4: only the newest message signature must be good; that of older sets is for information",
};
const ownFieldInH: KnownDifference = {
  name: "h= names ARC-Message-Signature",
  standard: "RFC 8617 §4.1.2, RFC 6376 §3.5 h=: the field being verified is never among the fields named",
};

export function knownArcDifference({ ours, comment, content }: ArcCase): KnownDifference | undefined {
  if (ours.result === "fail") return refused.find(({ detail }) => ours.detail.includes(detail));
  if (comment.endsWith("no valid signature") && /h=from:arc-message-signature/.test(content)) return ownFieldInH;
  const older = /^i=(\d+) invalid ams h$/.exec(comment)?.[1];
  const weak = comment === "" && ours.instance > 1 && /ARC-Message-Signature:[^:]*a=rsa-sha1/i.test(content);
  return weak || (older !== undefined && Number(older) < ours.instance) ? olderMessageSignature : undefined;
}
