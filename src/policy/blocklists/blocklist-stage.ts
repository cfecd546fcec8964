/** Refuses recipients of mail from clients and domains with too many entries in DNS lists. */
import { whenReady } from "../../lib/when-ready.ts";
import { type Client, sendsOwnMail } from "../client.ts";
import { refuse } from "../decision.ts";
import type { Stage } from "../stage.ts";
import type { Blocklists } from "./blocklists.ts";

/**
 * At RCPT, so that the log names sender and recipient, and the postmaster can be told of a mistake (RFC 5321 §4.5.1). The
 * resolver remembers the answers, so the second recipient costs no query.
 */
export function blocklistStage(lists: Pick<Blocklists, "find" | "refuseAt">): Stage {
  return {
    rule: "blocklists",
    recipient: ({ client, development, reversePath, forwardPath }) => {
      if (development || isKnown(client) || /^postmaster$/i.test(forwardPath.localPart)) return undefined;
      const found = lists.find({ clientAddress: client.address, domain: reversePath?.domain });
      return whenReady(found, ({ score, entries }) => {
        if (score < lists.refuseAt) return undefined;
        return refuse("blocklisted", { entries: entries.join(", "), score, limit: lists.refuseAt });
      });
    },
  };
}

/** Users, servers behind us, and whoever is on a unix socket or an LMTP listener. */
function isKnown(client: Client): boolean {
  return sendsOwnMail(client) || client.listener !== "mx";
}
