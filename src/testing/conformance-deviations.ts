/**
 * The sets of vectors, and the cases in them whose expectation the standard contradicts, each with the paragraph that
 * says so, or that we take on purpose although it forbids them. `npm run conformance` writes both into docs/rfc.md.
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
  "psl/tests",
  "addresses/smtp-paths",
  "addresses/isemail",
  "addresses/mail-parser",
  "addresses/flanker-invalid",
  "headers/content-type",
  "headers/received",
  "headers/unstructured",
  "mime/messages",
  "sasl/mechanisms",
  "sasl/saslprep",
  "sasl/scram",
  "smtp/commands",
  "smtp/sessions",
  "smtp/data-transparency, receiving",
  "smtp/data-transparency, sending",
  "smtp/end-of-data, decoder",
  "smtp/end-of-data, server",
  "smtp/replies",
  "smtp/curl-client",
  "headers/authentication-results",
  "tls-rpt/records",
  "tls-rpt/reports",
  "dane/tlsa-chains",
  "dane/smtp-decisions",
  "dane/tlsa-text",
  "mta-sts/records",
  "mta-sts/policies",
  "mta-sts/mx-match",
  "mta-sts/discovery",
] as const;
export type VectorSet = (typeof vectorSets)[number];

const dotsAnywhere =
  "taken, against RFC 5321 §4.1.2: large providers gave out such addresses; we write them in quotes, as it asks";

/**
 * Name of the case → why the standard is on our side, beginning with its paragraph. The published set has all of these; of
 * another set those that are in it count.
 */
export const deviations: { readonly [S in VectorSet]?: Readonly<Record<string, string>> } = {
  "dkim/messages": {
    "mailauth-plain-l0":
      "RFC 6376 §8.2: with l=0 anyone can replace the whole body, and verifiers may treat it as unsigned; the result is policy",
  },
  "dkim/signature-headers": {
    "field 634f45c6, without SMTPUTF8":
      "RFC 8616 §5 allows UTF-8 in i=; that it stands in the field makes the message internationalized",
  },
  "dmarc/records": {
    "v=DMARC1; sp=reject; p=reject": "RFC 9989 §4.8: after v, tags may stand in any order",
    "v=DMARC1; rua=mailto:dmarc-feedback@example.com!99999999999999999999999999999999999999999999999":
      "RFC 9989 §4.8 obs-dmarc-report-size: any number of digits, to be ignored",
    "v=DMARC1; p=none; aspf=bob;": "RFC 9989 §4.8: syntax errors after v are discarded in favor of the default",
    "v=DMARC1; p=none; ri=bob;": "RFC 9989 §4.8, §C.5.2: ri is gone, and unknown tags are ignored",
    "v=DMARC1; p=none; pct=500;": "RFC 9989 §4.8, §C.5.2: pct is gone, and unknown tags are ignored",
  },
  "arc/validation": {
    ams_fields_c_na:
      "RFC 8617 §4.1.2: the field has the semantics of DKIM-Signature, where a missing c= is simple/simple (RFC 6376 §3.5); the suite signed it relaxed",
    ams_fields_h_empty: "RFC 6376 §3.5: h= has one name at least, and §6.1.1: one that leaves out From is ignored",
    ams_fields_h_mis_hdr: "RFC 6376 §3.5: the ABNF of h= has no empty name between two colons",
  },
  "addresses/smtp-paths": {
    [`reverse-path <user@${`${"a".repeat(63)}.`.repeat(3)}${"b".repeat(59)}>`]:
      "RFC 5321 §4.5.3.1.3: a path has 256 octets at most; this one has 258",
    "reverse-path <user.@example.com>": dotsAnywhere,
    "reverse-path <us..er@example.com>": dotsAnywhere,
    "reverse-path <user@exa_mple.com>":
      "taken, against RFC 5321 §4.1.2: names of containers and of internal networks have underscores",
  },
  "addresses/isemail": {
    '".test@iana.org" ISEMAIL_ERR ISEMAIL_ERR_DOT_START': dotsAnywhere,
    '"test.@iana.org" ISEMAIL_ERR ISEMAIL_ERR_DOT_END': dotsAnywhere,
  },
  "addresses/flanker-invalid": {
    'partially."quoted"@sld.com': "RFC 5322 §4.4: an obsolete local-part is several words with dots between",
    'first."".last@iana.org': "RFC 5322 §4.4: an obsolete local-part is several words with dots between",
    '"foo"(yay)@(hoopla)[1.2.3.4]': "RFC 5322 §4.4: comments may stand around the @",
  },
  "dmarc/evaluation": {
    "multiple-records-no-inherit":
      "RFC 9989 §4.10 step 2: several records at a name are all discarded, and the walk goes on (the case is of RFC 7489)",
  },
  "dane/tlsa-chains": {
    "dane-054": "RFC 7672 §3.1.1, §3.2.1: with DANE-EE the names of a certificate are not checked for SMTP",
  },
  "dmarc/from-domain": {
    "<<<><joe@joe.com>>>": "RFC 9989 §4.4: a malformed From aligns with nothing",
    "Joe Johnson <joe@joe.com>, ace@ace.com": "RFC 9989 §5.3.1: more than one domain in From ends the evaluation",
    "joe@joe.com, ace@ace.com": "RFC 9989 §5.3.1: more than one domain in From ends the evaluation",
    "Mail From:<joe@joe.com>": "RFC 9989 §4.4: a malformed From aligns with nothing",
    "From: Davide D'Marco <user@blah.com>": "RFC 9989 §4.4: a malformed From aligns with nothing",
  },
};
