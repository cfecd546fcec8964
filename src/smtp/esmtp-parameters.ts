/** Parameters behind the path of MAIL and RCPT: `esmtp-param` of RFC 5321 §4.1.2, values also in UTF-8 (RFC 6531 §3.3). */
import { asciiUpperCase } from "../lib/ascii-case.ts";
import { reply, type Reply } from "./reply.ts";

export interface EsmtpParameter {
  /** Upper case. */
  readonly keyword: string;
  /** Undefined without "=". */
  readonly value: string | undefined;
}

/** The parameters in their order, none twice, or the refusal. `text` is all that follows the path. */
export function splitParameters(text: string): readonly EsmtpParameter[] | Reply {
  if (text === "") return [];
  if (!text.startsWith(" ")) return malformed;
  const parameters: EsmtpParameter[] = [];
  const given = new Set<string>();
  for (const word of text.split(" ")) {
    // Deviation: several spaces are read as one, as many servers do.
    if (word === "") continue;
    const equals = word.indexOf("=");
    const name = equals === -1 ? word : word.slice(0, equals);
    if (!/^[a-z0-9][a-z0-9-]*$/i.test(name)) return malformed;
    const value = equals === -1 ? undefined : word.slice(equals + 1);
    if (value !== undefined && !/^[^\x00-\x20=\x7f]+$/.test(value)) {
      // "<" and ">" of AUTH=<> are fine, "=" is not.
      return badParameter(name, "has a malformed value");
    }
    const keyword = asciiUpperCase(name);
    if (given.has(keyword)) return badParameter(keyword, "is given twice");
    given.add(keyword);
    parameters.push({ keyword, value });
  }
  return parameters;
}

/** 501: a parameter that is known and wrong (RFC 5321 §4.1.1.11, RFC 3461 §5.1). */
export function badParameter(keyword: string, what: string): Reply {
  return reply(501, "5.5.4", `Parameter ${keyword.slice(0, keywordShown)} ${what}`);
}

/** 555: a parameter that is not known here (RFC 5321 §4.1.1.11). */
export function unknownParameter(keyword: string): Reply {
  return reply(555, "5.5.4", `Parameter ${keyword.slice(0, keywordShown)} is not recognised`);
}

/** Letters of an unknown keyword that are repeated to the peer; real ones are far shorter. */
const keywordShown = 30;

const malformed = reply(501, "5.5.4", "The parameters are malformed");
