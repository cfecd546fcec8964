/** Parameters of MAIL: SIZE, BODY, SMTPUTF8, RET, ENVID, REQUIRETLS, AUTH (RFC 1870, 6152, 3030, 6531, 3461, 8689, 4954). */
import type { BodyType, MailParameters } from "./envelope.ts";
import { badParameter, splitParameters, unknownParameter } from "./esmtp-parameters.ts";
import type { Reply } from "./reply.ts";
import { decodeXtext } from "./xtext.ts";
import { asciiUpperCase } from "../lib/ascii-case.ts";

/** Characters of ENVID (RFC 3461 §5.4). */
const envelopeIdMax = 100;
/** Characters of AUTH=: the 500 that RFC 4954 §5 adds to the command line. */
const authMax = 500;

const none: MailParameters = {};

type Draft = { -readonly [Key in keyof MailParameters]: MailParameters[Key] };

/** The parameters, or the refusal: 501 for wrong or repeated ones, 555 for unknown ones. */
export function parseMailParameters(text: string): MailParameters | Reply {
  if (text === "") return none;
  const split = splitParameters(text);
  if ("code" in split) return split;
  const draft: Draft = {};
  for (const { keyword, value } of split) {
    const refusal = readParameter(draft, keyword, value);
    if (refusal !== undefined) return refusal;
  }
  return draft;
}

function readParameter(draft: Draft, keyword: string, value: string | undefined): Reply | undefined {
  switch (keyword) {
    case "SIZE":
      // RFC 1870 §3: 1 to 20 digits. What a number cannot hold exactly is over any limit anyway.
      if (value === undefined || !/^[0-9]{1,20}$/.test(value)) return badParameter(keyword, "is no size");
      draft.size = Number(value);
      return undefined;
    case "BODY": {
      const body = asciiUpperCase(value ?? "");
      if (!isBodyType(body)) return badParameter(keyword, "has an unknown value");
      draft.body = body;
      return undefined;
    }
    case "SMTPUTF8":
      if (value !== undefined) return badParameter(keyword, "takes no value");
      draft.smtpUtf8 = true;
      return undefined;
    case "REQUIRETLS":
      if (value !== undefined) return badParameter(keyword, "takes no value");
      draft.requireTls = true;
      return undefined;
    case "RET": {
      const ret = asciiUpperCase(value ?? "");
      if (ret !== "FULL" && ret !== "HDRS") return badParameter(keyword, "has an unknown value");
      draft.ret = ret;
      return undefined;
    }
    case "ENVID":
      if (value === undefined || value.length > envelopeIdMax || !isPrintableXtext(value)) {
        return badParameter(keyword, "is malformed");
      }
      draft.envelopeId = value;
      return undefined;
    case "AUTH":
      if (value === undefined || value.length > authMax) return badParameter(keyword, "is malformed");
      // A line end hidden in xtext once reached another server's queue file (CVE-2020-28021).
      if (value !== "<>" && !isPrintableXtext(value)) return badParameter(keyword, "is malformed");
      draft.auth = value;
      return undefined;
    default:
      return unknownParameter(keyword);
  }
}

/** Whether `text` is xtext and holds no control octet once decoded; octets above 127 may come by SMTPUTF8. */
export function isPrintableXtext(text: string): boolean {
  const octets = decodeXtext(text);
  return octets !== undefined && octets.every((octet) => octet >= 0x20 && octet !== 0x7f);
}

function isBodyType(text: string | undefined): text is BodyType {
  return text === "7BIT" || text === "8BITMIME" || text === "BINARYMIME";
}
