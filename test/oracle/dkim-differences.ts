/** Differences of DKIM that are known; see known-differences.ts. */
import type { DkimOutcome } from "../../src/dkim/dkim-outcome.ts";
import type { ZoneData } from "../../src/testing/conformance-dns.ts";
import type { KnownDifference } from "./known-differences.ts";

export interface DkimCase {
  readonly ours: DkimOutcome;
  readonly comment: string;
  readonly zones: ZoneData;
  /** The DKIM-Signature field, unfolded. */
  readonly signature: string;
  readonly content: Buffer;
}

/** Those where we refuse what mailauth accepts: by our reason, and the text that must be there. */
const refused: readonly (KnownDifference & {
  readonly reason: string;
  readonly when?: (given: DkimCase) => boolean;
})[] = [
  {
    name: "h= with an empty name",
    standard: "RFC 6376 §3.5 sig-h-tag: names with colons between; an empty one is none",
    reason: "signature-syntax",
    when: ({ ours }) => ours.detail.includes("h= is no list"),
  },
  {
    name: "b= or bh= with other characters",
    standard:
      "RFC 6376 §2.10 base64string: letters, digits, plus, slash and white space, with at most two equals signs at the end",
    reason: "signature-syntax",
    when: ({ ours }) => ours.detail.includes("is not base64"),
  },
  {
    name: "c= with an empty or a third part",
    standard: "RFC 6376 §3.5 sig-c-tag: one name, or two with a slash between",
    reason: "canonicalization-unknown",
    when: ({ signature }) => /c\s*=\s*relaxed\/(?:\s*;|\s*$|relaxed\/x)/i.test(signature),
  },
  {
    name: "l= beyond the body",
    standard: "RFC 6376 §3.5 l=: the value MUST NOT be larger than the octets of the canonicalized body",
    reason: "body-too-short",
  },
  {
    name: "l= that leaves a tail",
    standard: "RFC 6376 §8.2: a verifier may treat what l= leaves unsigned as it likes; we give policy, never pass",
    reason: "unsigned-tail",
  },
  {
    name: "several From fields",
    standard: "RFC 6376 §8.15, §5.4: a message that is not RFC 5322 may be refused by the verifier",
    reason: "several-from",
  },
  {
    name: "q= in capitals",
    standard: "RFC 6376 §3.2: values are case-sensitive unless the tag says otherwise",
    reason: "query-unknown",
    when: ({ signature }) => /q\s*=[^;]*dns\/txt/i.test(signature),
  },
  {
    name: "s= of a key in capitals",
    standard: "RFC 6376 §3.2, §3.6.1: values are case-sensitive unless the tag says otherwise",
    reason: "key-not-for-email",
    when: ({ zones }) => /s=Email/.test(JSON.stringify(zones)),
  },
  {
    name: "k= or h= of a key in capitals, or empty",
    standard:
      "RFC 6376 §3.2, §3.6.1: values are case-sensitive unless the tag says otherwise; what is not known is no key of ours",
    reason: "key-malformed",
    when: ({ zones }) => /[kh]=(?:[A-Z]|\s*[;"])/.test(JSON.stringify(zones)),
  },
  {
    name: "an expired signature whose key cannot be had",
    standard: "RFC 6376 §6.1.1, before §6.1.2: x= is looked at first, and no key makes the signature young again",
    reason: "signature-expired",
    when: ({ comment }) => comment.startsWith("DNS failure"),
  },
  {
    name: "h= with white space within a name",
    standard: "RFC 6376 §3.5 sig-h-tag: white space stands around the colons only; such a name is no field",
    reason: "from-not-signed",
    when: ({ signature }) => /h\s*=[^;]*\w\s+\w/.test(signature),
  },
  {
    name: "several key records",
    standard: "RFC 6376 §3.6.2.2: records must be unique for a selector, else results are undefined",
    reason: "several-keys",
  },
];

const ownFieldInH: KnownDifference = {
  name: "h= names DKIM-Signature",
  standard:
    "RFC 6376 §3.5 h=: the field being verified is never among the fields named; mailauth takes it for one of them",
};
const longTime: KnownDifference = {
  name: "t= of 13 digits",
  standard: "RFC 6376 §3.5 t=: a value of more than 12 digits may be taken for infinite",
};
const padding: KnownDifference = {
  name: "padding of base64",
  standard: "RFC 6376 §2.10 lets the equals signs be missing, §6.1.3 compares octets; mailauth compares text",
};
const foreignRecord: KnownDifference = {
  name: "another TXT record beside the key",
  standard: "RFC 6376 §6.1.2: a record that is no key is not the key; mailauth joins or takes the first",
};

const hyphen: KnownDifference = {
  name: "an unknown tag with a hyphen in its name",
  standard:
    "RFC 6376 §3.2: tags that are not known must be ignored. The grammar has no hyphen in their names, but signers do (one " +
    "of the collected messages that must pass)",
};
const keyFirst: KnownDifference = {
  name: "a key that cannot be had, and a wrong body",
  standard: "RFC 6376 §6.1.2 comes before §6.1.3: without the key nothing is said of the body yet",
};

export function knownDkimDifference(given: DkimCase): KnownDifference | undefined {
  const { ours, comment, signature, zones } = given;
  const syntax = comment === "signature syntax error";
  if (syntax && /(?:^|;)\s*a-b\s*=/.test(signature)) return hyphen;
  if (syntax && /[tx]\s*=\s*\d{13}/.test(signature)) return longTime;
  if (ours.result === "temperror") return comment === "body hash did not verify" ? keyFirst : undefined;
  if (ours.result !== "pass") {
    return refused.find(({ reason, when }) => reason === ours.reason && (when === undefined || when(given)));
  }
  if (comment === "bad signature" && /h\s*=[^;]*dkim-signature/i.test(signature)) return ownFieldInH;
  if (comment === "body hash did not verify" && isBadlyPadded(/bh\s*=([^;]*)/.exec(signature)?.[1])) return padding;
  if (comment === "invalid public key") {
    const records = Object.values(zones).flatMap(({ TXT = [] }) => TXT.flat());
    if (records.length > 1) return foreignRecord;
    if (isBadlyPadded(/p\s*=([^;]*)/.exec(records[0] ?? "")?.[1])) return padding;
  }
  return undefined;
}

function isBadlyPadded(base64 = ""): boolean {
  return base64.replaceAll(/\s/g, "").length % 4 !== 0;
}
