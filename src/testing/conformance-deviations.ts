/**
 * The sets of vectors, and the cases in them whose expectation the standard contradicts: each with the paragraph that
 * says so. `npm run conformance` writes both into docs/rfc.md.
 */

/** `folder/set`, in the order of the table. */
export const vectorSets = [
  "spf/rfc7208",
  "spf/extra",
  "dkim/messages",
  "dkim/canonicalization",
  "dkim/key-records",
  "dkim/signature-headers",
  "arc/validation",
  "arc/signing",
  "arc/extra",
  "dmarc/records",
  "dmarc/evaluation",
  "dmarc/alignment",
  "dmarc/from-domain",
  "dmarc/messages",
  "dmarc/reports",
  "headers/authentication-results",
  "tls-rpt/records",
  "tls-rpt/reports",
] as const;
export type VectorSet = (typeof vectorSets)[number];

/** Name of the case → why the standard is on our side, beginning with its paragraph. */
export const deviations: { readonly [S in VectorSet]?: Readonly<Record<string, string>> } = {};
