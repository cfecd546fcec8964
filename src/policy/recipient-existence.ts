/** Whether a recipient of a local domain exists (RFC 5321 §3.3). */
import type { Resolution } from "../accounts/account-directory.ts";
import { reply } from "../smtp/reply.ts";
import type { Decision } from "./decision.ts";

/** For recipients that resolve as ours. */
export function checkRecipientExists(resolution: Exclude<Resolution, { readonly kind: "not-local" }>): Decision {
  switch (resolution.kind) {
    case "local":
      return { verdict: "accept", reason: `local-${resolution.via}`, setting: resolution.setting };
    case "unknown":
      return {
        verdict: "reject",
        reply: reply(550, "5.1.1", "No such user here"),
        reason: "unknown-recipient",
        setting: resolution.setting,
      };
    case "broken":
      return {
        verdict: "defer",
        reply: reply(451, "4.3.5", "The alias is misconfigured, try again later"),
        reason: resolution.reason,
        setting: resolution.setting,
      };
    default:
      return resolution satisfies never;
  }
}
