/** Why content is not taken, apart from what policies say: its form, or trouble of ours. */
import { headerFaultWords } from "../message/header-end.ts";
import type { Refusal } from "../policy/decision.ts";
import { reply } from "../smtp/reply.ts";
import { SpoolError } from "../spool/spool.ts";
import type { ContentFault } from "./incoming-content.ts";

export type Refused = Refusal & {
  /** What the spool refused with. */
  readonly cause?: unknown;
};

/** For a message that finds no room in its client's share of memory. */
export const memoryShort: Refusal = {
  verdict: "defer",
  reply: reply(452, "4.3.2", "The server is too busy to accept this message, try again later"),
  reason: "memory-short",
  setting: "limits.session_memory",
};

const faults: Readonly<Record<ContentFault, Refusal>> = {
  "memory-short": memoryShort,
  "header-too-large": {
    verdict: "reject",
    reply: reply(552, "5.3.4", "The message header is too large"),
    reason: "header-too-large",
    setting: "limits.header_size",
  },
  "begins-with-white-space": {
    verdict: "reject",
    reply: reply(554, "5.6.0", headerFaultWords["begins-with-white-space"]),
    reason: "header-begins-with-white-space",
  },
  "stray-octets": {
    verdict: "reject",
    reply: reply(554, "5.6.0", headerFaultWords["stray-octets"]),
    reason: "header-stray-octets",
  },
};

/** `place`: where in the header section the fault is, if that is known. */
export function faultRefusal(fault: ContentFault, place: string | undefined): Refusal {
  const refusal = faults[fault];
  if (place === undefined) return refusal;
  const { code, status, lines } = refusal.reply;
  return { ...refusal, reply: reply(code, status, `${lines.join(" ")}: ${place}`) };
}

const noSpace: Refusal = {
  verdict: "defer",
  reply: reply(452, "4.3.1", "Insufficient disk space, try again later"),
  reason: "no-space",
};
const notStored: Refusal = {
  verdict: "defer",
  reply: reply(451, "4.3.0", "The message could not be stored, try again later"),
  reason: "spool-failed",
};

/** The spool has kept nothing. */
export function spoolRefusal(cause: unknown): Refused {
  return { ...(cause instanceof SpoolError && cause.code === "no-space" ? noSpace : notStored), cause };
}
