/** Parameters of RCPT: NOTIFY and ORCPT (RFC 3461 §4.1, §4.2; RFC 6533 §3). */
import { asciiLowerCase, asciiUpperCase, hasNonAscii } from "../lib/ascii-case.ts";
import type { NotifyCondition, RecipientParameters } from "./envelope.ts";
import { badParameter, splitParameters, unknownParameter } from "./esmtp-parameters.ts";
import { isPrintableXtext } from "./mail-parameters.ts";
import type { Reply } from "./reply.ts";

/** Characters of ORCPT (RFC 3461 §5.4). */
const originalRecipientMax = 500;

const none: RecipientParameters = {};

type Draft = { -readonly [Key in keyof RecipientParameters]: RecipientParameters[Key] };

/** The parameters, or the refusal: 501 for wrong or repeated ones, 555 for unknown ones. */
export function parseRecipientParameters(
  text: string,
  options: { readonly smtpUtf8: boolean },
): RecipientParameters | Reply {
  if (text === "") return none;
  const split = splitParameters(text);
  if ("code" in split) return split;
  const draft: Draft = {};
  for (const { keyword, value } of split) {
    if (keyword === "NOTIFY") {
      const notify = notifyOf(value);
      if (notify === undefined) return badParameter(keyword, "is NEVER, or a list of SUCCESS, FAILURE, DELAY");
      draft.notify = notify;
    } else if (keyword === "ORCPT") {
      if (value === undefined || !isOriginalRecipient(value, options)) return badParameter(keyword, "is malformed");
      draft.originalRecipient = value;
    } else {
      return unknownParameter(keyword);
    }
  }
  return draft;
}

function notifyOf(value: string | undefined): readonly NotifyCondition[] | undefined {
  if (value === undefined) return undefined;
  const conditions: NotifyCondition[] = [];
  for (const word of asciiUpperCase(value).split(",")) {
    if (word !== "NEVER" && word !== "SUCCESS" && word !== "FAILURE" && word !== "DELAY") return undefined;
    if (!conditions.includes(word)) conditions.push(word);
  }
  // NEVER stands alone (RFC 3461 §4.1).
  return conditions.includes("NEVER") && conditions.length > 1 ? undefined : conditions;
}

function isOriginalRecipient(value: string, options: { readonly smtpUtf8: boolean }): boolean {
  if (value.length > originalRecipientMax) return false;
  const semicolon = value.indexOf(";");
  const type = value.slice(0, Math.max(semicolon, 0));
  const address = value.slice(semicolon + 1);
  if (address === "" || !/^[a-z0-9-]+$/i.test(type)) return false;
  if (asciiLowerCase(type) !== "utf-8") return isPrintableXtext(address);
  // RFC 6533 §3: "\x{HEX}" stands for one character; raw UTF-8 only in a transaction with SMTPUTF8.
  if (hasNonAscii(address) && !options.smtpUtf8) return false;
  return /^(?:[^\x00-\x20+=\\\x7f-\x9f]|\\x\{[0-9a-f]{2,6}\})+$/i.test(address) && escapesArePrintable(address);
}

function escapesArePrintable(address: string): boolean {
  for (const [, hex = ""] of address.matchAll(/\\x\{([0-9a-f]+)\}/gi)) {
    const code = Number.parseInt(hex, 16);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff)
      return false;
  }
  return true;
}
