/** What was found out about a message's sender, in sentences: one for each check, and one for what followed. */
import type { AuthenticationNote } from "../events/authentication-note.ts";
import { sentence as ended } from "../lib/sentence.ts";
import { plain } from "./words.ts";

export function authenticationSentences(note: AuthenticationNote): readonly string[] {
  const { spf, dkim, arc, dmarc, iprev, disposition, rule, why, setting } = note;
  const whose = dmarc.domain === undefined ? "" : ` for ${plain(dmarc.domain)}`;
  const asked = dmarc.result === "fail" ? `, which asks for ${plain(dmarc.policy)}` : "";
  const done = disposition === "junk" ? "Marked for Junk" : "Delivered as usual";
  const deciders = [rule === undefined ? "" : `rule ${rule}`, setting ?? ""].filter((part) => part !== "").map(plain);
  const decided = deciders.length === 0 ? "" : ` (${deciders.join(", ")})`;
  return [
    sentence(`Reverse DNS ${iprev.result}: ${iprev.detail}`),
    sentence(`SPF ${spf.result}${spf.domain === "" ? "" : ` for ${spf.domain}`}: ${spf.reason}`),
    ...(dkim.length === 0 ? ["DKIM none: the message has no signature."] : dkim.map(signatureSentence)),
    ...(arc.result === "none" ? [] : [sentence(`ARC ${arc.result}: ${arc.detail}`)]),
    sentence(`DMARC ${dmarc.result}${whose}${asked}: ${dmarc.detail}`),
    sentence(`${done}: ${why}${decided}`),
  ];
}

function signatureSentence({ result, domain, selector, detail }: AuthenticationNote["dkim"][number]): string {
  const key = selector === "" ? "" : ` (selector ${selector})`;
  return sentence(`DKIM ${result}${domain === "" ? "" : ` for ${domain}`}${key}: ${detail}`);
}

function sentence(text: string): string {
  return ended(plain(text));
}
