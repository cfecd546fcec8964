/** A decision with its reason: what is done, what the peer hears, why, what it was decided from, and by which setting. */
import { reply, type Reply } from "../smtp/reply.ts";
import type { AcceptanceReason } from "./acceptances.ts";
import { type InputsOf, type RefusalReason, refusals } from "./reasons.ts";

/** What a decision was made from, by name; kept with it and shown to the operator. */
export type Inputs = Readonly<Record<string, string | number>>;

export interface Acceptance {
  readonly verdict: "accept";
  readonly reason: AcceptanceReason;
  /** The setting that decided, for people and for {@link SettingOrigin}. */
  readonly setting?: string;
}

/** What keeps mail out, permanently or for now. */
export interface Refusal {
  readonly verdict: "reject" | "defer";
  readonly reason: RefusalReason;
  /** 5yz for reject, 4yz for defer. */
  readonly reply: Reply;
  readonly setting?: string;
  readonly inputs: Inputs;
}

export type Decision = Acceptance | Refusal;

/** One line of a reply stays below the 512 octets of RFC 5321 §4.5.3.1.5 with its code. */
const textLengthMax = 480;

/** `inputs`: what the words name, and whatever else decided. `setting`: where it is not the declared one. */
export function refuse<Reason extends RefusalReason>(
  reason: Reason,
  inputs: InputsOf<Reason> & Inputs,
  setting = refusals[reason].setting,
): Refusal {
  const { code, status, text } = refusals[reason];
  return {
    verdict: code >= 500 ? "reject" : "defer",
    reason,
    reply: reply(code, status, bounded(filled(text, inputs))),
    inputs,
    ...(setting !== undefined && { setting }),
  };
}

function filled(text: string, inputs: Inputs): string {
  const named = (name: string) => String(inputs[name] ?? "");
  const fill = (part: string) => part.replaceAll(/\{(\w+)\}/g, (_, name: string) => named(name));
  return text
    .split(/(\[[^[\]]*\])/)
    .map((part) => {
      if (!part.startsWith("[")) return fill(part);
      const last = /\{(\w+)\}[^{]*$/.exec(part)?.[1] ?? "";
      return named(last) === "" ? "" : fill(part.slice(1, -1));
    })
    .join("");
}

function bounded(text: string): string {
  const line = text.replaceAll(/[^\u0020-\u007e]+/g, " ").trim();
  return line.length <= textLengthMax ? line : `${line.slice(0, textLengthMax - 3)}...`;
}
