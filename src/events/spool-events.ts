/** The spool and its disk. */
import { message, where, error, path } from "./common-fields.ts";
import { declare, number, optional, text } from "./event-declaration.ts";

const dataDir = text("The data directory.");

export const spoolEvents = {
  "spool-recovered": declare(
    "info",
    "The spool was opened; claims of an earlier process went back to the schedule.",
    "They are attempted when due.",
    { recipients: number("Recipients whose claims went back.") },
  ),
  "spool-failed": declare(
    "error",
    "The spool could not commit: the disk is full or fails.",
    "A client receives 451 or 452 and keeps its message; the queue tries again.",
    { where, message: optional(message), code: text("`no-space`, `failed`, `closed` or `newer-format`."), error },
  ),
  "spool-damaged": declare(
    "error",
    "A part of the spool cannot be read: the disk has lost part of the file or message named.",
    "What is stored there is skipped or held; all other mail is delivered as usual. Stop the server and run `posthaste spool check`, which lists what each message has lost; docs/reliability.md describes the next steps.",
    { where, message: optional(message), error },
  ),
  "space-short": declare(
    "warn",
    "The disk with the data directory has less room than `limits.free_space` keeps free.",
    "The server refuses mail with 452, and `/readyz` is 503, until there is room; deliveries continue.",
    { path: dataDir, free: number("Octets that are free."), reserve: number("Octets of `limits.free_space`.") },
  ),
  "space-enough": declare(
    "info",
    "The disk with the data directory has room again.",
    "The server accepts mail again.",
    { path: dataDir, reserve: number("Octets of `limits.free_space`.") },
  ),
  "spool-check-skipped": declare(
    "info",
    "The database of the spool is too large, or its disk too slow, to be checked before the start; `skipped` says which.",
    "The server starts and logs damage when it finds it. `posthaste spool check`, run while the server is stopped, checks everything.",
    { path, bytes: number("Its size in octets."), skipped: text("Why it was not checked.") },
  ),
  "spool-thread-gone": declare(
    "error",
    "A thread of the spool ended unexpectedly.",
    "The server exits with code 70 so that it is restarted; all mail that it acknowledged is on disk.",
    { error },
  ),
};
