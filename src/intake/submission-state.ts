/** Where a submission stands, and the table along which that changes. */
import { type TransitionRows, TransitionTable } from "../lib/transition-table.ts";
import type { MessageWriter } from "../spool/spool.ts";
import type { IncomingContent } from "./incoming-content.ts";

export type SubmissionState =
  | { readonly kind: "receiving"; readonly content: IncomingContent; readonly writer: MessageWriter }
  /** The content is complete; DNS, keys and directories may owe an answer. */
  | { readonly kind: "checking"; readonly content: IncomingContent; readonly writer: MessageWriter }
  /** The spool has the message and has not said yet whether it is durable. */
  | { readonly kind: "committing" }
  | { readonly kind: "accepted" }
  | { readonly kind: "refused" }
  | { readonly kind: "abandoned" };

export type Checking = Extract<SubmissionState, { readonly kind: "checking" }>;

const events = {
  received: "The content has arrived completely, and its form is correct.",
  commit: "No check refuses the message: it is given to the spool.",
  durable: "The spool has written the message to disk.",
  refuse: "The content, a check, a policy or the spool refuses the message.",
  abandon: "The client is gone, or has cancelled the message.",
} as const;

const rows = {
  receiving: { received: "checking", refuse: "refused", abandon: "abandoned" },
  checking: { commit: "committing", refuse: "refused", abandon: "abandoned" },
  // From here on the spool decides: the message is no longer ours to take back.
  committing: { durable: "accepted", refuse: "refused", abandon: "ignored" },
  accepted: { refuse: "ignored", abandon: "ignored" },
  // What was waited for may answer late.
  refused: { commit: "ignored", refuse: "ignored", abandon: "ignored" },
  abandoned: { commit: "ignored", refuse: "ignored", abandon: "ignored" },
} as const satisfies TransitionRows<SubmissionState["kind"], keyof typeof events>;

export const submissionTransitions = new TransitionTable({ initial: "receiving", events, rows });

export type SubmissionRows = typeof rows;
