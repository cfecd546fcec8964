/** The line of the log that tells of a ban. Its fields and their order are stable: contrib/fail2ban/posthaste.conf reads it. */
import { isoTime } from "../lib/instant.ts";
import type { Log } from "../ports/log.ts";
import type { Ban } from "./bans.ts";

/** `log`: without a session's context, which would change the line. */
export function tellBan(log: Log, { client, network, service, offence, times, until }: Ban): void {
  log.event("network-banned", { client, network, service, offence, times, until: isoTime(until) });
}
