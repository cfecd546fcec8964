/** Why content is not taken, apart from what policies say: its form, or trouble of ours. */
import { headerFaultWords } from "../message/header-end.ts";
import { type Refusal, refuse } from "../policy/decision.ts";
import { SpoolError } from "../spool/spool.ts";
import type { ContentFault } from "./incoming-content.ts";

export type Refused = Refusal & {
  /** What the spool refused with. */
  readonly cause?: unknown;
};

/** `place`: where in the header section the fault is, if that is known. */
export function faultRefusal(fault: ContentFault, place = ""): Refusal {
  switch (fault) {
    case "memory-short":
      return refuse("memory-short", {});
    case "header-too-large":
      return refuse("header-too-large", { place });
    case "begins-with-white-space":
      return refuse("header-begins-with-white-space", { fault: headerFaultWords[fault], place });
    case "stray-octets":
      return refuse("header-stray-octets", { fault: headerFaultWords[fault], place });
    default:
      return fault satisfies never;
  }
}

/** The spool has kept nothing. */
export function spoolRefusal(cause: unknown): Refused {
  const isFull = cause instanceof SpoolError && cause.code === "no-space";
  return { ...(isFull ? refuse("no-space", {}) : refuse("spool-failed", {})), cause };
}
