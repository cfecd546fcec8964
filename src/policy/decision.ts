/** A decision with its reason: what is done, what the peer hears, why, and which setting decided. */
import type { Reply } from "../smtp/reply.ts";

export type Decision =
  | { readonly verdict: "accept"; readonly reason: string; readonly setting?: string }
  | {
      readonly verdict: "reject" | "defer";
      /** 5yz for reject, 4yz for defer. */
      readonly reply: Reply;
      /** From a fixed list of words with hyphens: `relay-denied`, `unknown-recipient`, … */
      readonly reason: string;
      /** Key, and file and line where known, of the setting that decided. */
      readonly setting?: string;
    };

/** What keeps mail out, for good or for now. */
export type Refusal = Exclude<Decision, { readonly verdict: "accept" }>;
