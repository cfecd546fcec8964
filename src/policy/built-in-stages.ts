/** The policies that every server has, in the order in which they are asked. */
import type { AccountDirectory } from "../accounts/account-directory.ts";
import type { Admission } from "./admission.ts";
import { recipientExistence } from "./recipient-existence.ts";
import { relayPermission, routeInLocalPart } from "./relay-permission.ts";
import { recipientDomain, senderOwnership, senderPermission } from "./sender-permission.ts";
import { srsRecipient } from "./srs-recipient.ts";
import type { Stage } from "./stage.ts";

export interface PolicyServices {
  readonly admission: Pick<Admission, "roomFor" | "countMessage">;
  readonly accounts: Pick<AccountDirectory, "mayUse">;
}

export function builtInStages({ admission, accounts }: PolicyServices): readonly Stage[] {
  return [
    connectionLimits,
    senderPermission,
    freeSpace(admission),
    senderOwnership(accounts),
    messageRate(admission),
    srsRecipient,
    routeInLocalPart,
    recipientExistence,
    recipientDomain,
    relayPermission,
  ];
}

/** Decided when the connection was counted, before anything was read. */
const connectionLimits: Stage = { rule: "connection-limits", connect: ({ turnedAway }) => turnedAway };

/** Asked at MAIL with the size that is announced there, and again when the content comes. */
function freeSpace(admission: Pick<Admission, "roomFor">): Stage {
  const ask = ({ size }: { readonly size: number }) => admission.roomFor(size);
  return { rule: "free-space", mail: ask, data: ask };
}

function messageRate(admission: Pick<Admission, "countMessage">): Stage {
  return { rule: "message-rate", mail: ({ client }) => admission.countMessage(client) };
}
