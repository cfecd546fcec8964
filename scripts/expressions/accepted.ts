/**
 * What `scripts/check-expressions.ts` cannot prove and lets stand, with the reason. `code` is the expression as written, or
 * for changes of letter case the beginning of the code. An entry that no longer matches anything must go.
 */
export interface Accepted {
  readonly file: string;
  readonly code: string;
  readonly because: string;
}

export const acceptedExpressions: readonly Accepted[] = [
  {
    file: "src/lib/certificate-words.ts",
    code: "new RegExp(`\\\\b${candidate}\\\\b`)",
    because: "the candidates are a list of words in that file",
  },
  {
    file: "src/message/message-id.ts",
    code: 'new RegExp(`^<(?:${dotAtom}|${quoted})@(?:${dotAtom}|${literal})>$`, "u")',
    because: "made of constants, and asked about 998 characters at most; proven linear in check-expressions.test.ts",
  },
  {
    file: "src/admin/reading/code-words.ts",
    code: 'new RegExp([...phraseMarks.keys()].toSorted((a, b) => b.length - a.length).join("|"), "giu")',
    because: "words of a list in that file, without any repetition",
  },
];

export const acceptedCaseChanges: readonly Accepted[] = [
  { file: "src/lib/ascii-case.ts", code: "", because: "the one place that knows the letters of ASCII" },
  {
    file: "src/address/domain.ts",
    code: "character.toLowerCase",
    because:
      "compares a U-label with what UTS 46 made of it, letter by letter; the result is only compared, never used",
  },
  {
    file: "src/address/mailbox-text.ts",
    code: 'localPart.normalize("NFC").toLowerCase',
    because: "users of ours with international names are found in any case; a key in ASCII comes only from ASCII",
  },
  {
    file: "src/spool/captured-filter.ts",
    code: 'text.normalize("NFC").toLowerCase',
    because: "subjects of people in any language, which a filter of the test inbox looks for in any case",
  },
  {
    file: "src/admin/reading/code-words.ts",
    code: "",
    because: "words of people in any language are compared with lists of ours",
  },
  {
    file: "src/admin/reading/code-evidence.ts",
    code: "",
    because: "words of people in any language, next to what may be a code",
  },
];
