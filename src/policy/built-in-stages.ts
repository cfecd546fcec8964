/** The policies that every server has, in the order in which they are asked. */
import type { AccountDirectory } from "../accounts/account-directory.ts";
import { mailboxKey } from "../address/mailbox-text.ts";
import type { Admission } from "./admission.ts";
import type { Blocklists } from "./blocklists/blocklists.ts";
import { blocklistStage } from "./blocklists/blocklist-stage.ts";
import { refuse } from "./decision.ts";
import { deliveredBefore, type HasMailboxHere } from "./delivered-before.ts";
import { type Greylisting, greylistingStage } from "./greylisting/greylisting-stage.ts";
import { headerOwnership } from "./header-ownership.ts";
import { hopLimit } from "./hop-limit.ts";
import { recipientExistence } from "./recipient-existence.ts";
import { relayPermission, routeInLocalPart } from "./relay-permission.ts";
import { recipientDomain, senderOwnership, senderPermission } from "./sender-permission.ts";
import { srsRecipient } from "./srs-recipient.ts";
import type { Change, Stage } from "./stage.ts";

export interface ContentPolicyServices {
  readonly accounts: Pick<AccountDirectory, "mayUse">;
  /** Whether mail for the recipient ends in a Maildir of ours. Absent: nobody knows. */
  readonly hasMailboxHere?: HasMailboxHere;
}

export interface PolicyServices extends ContentPolicyServices {
  /** Absent: no list is asked. */
  readonly blocklists?: Pick<Blocklists, "find" | "refuseAt">;
  /** Absent: nobody is deferred for looking bad. */
  readonly greylisting?: Greylisting;
  readonly admission: Pick<Admission, "roomFor" | "countMessage" | "countRecipient" | "refusalOfBan">;
}

export function builtInStages(services: PolicyServices): readonly Stage[] {
  const { admission, accounts, blocklists, greylisting } = services;
  return [
    connectionLimits,
    noMailHost,
    bans(admission),
    senderPermission,
    freeSpace(admission),
    senderOwnership(accounts),
    messageRate(admission),
    srsRecipient,
    routeInLocalPart,
    recipientExistence,
    recipientDomain,
    relayPermission,
    newRecipients(admission),
    ...(blocklists === undefined ? [] : [blocklistStage(blocklists)]),
    ...(greylisting === undefined ? [] : [greylistingStage(greylisting)]),
    ...contentStages(services),
  ];
}

/** Those that look at the content, whoever brings it. */
export function contentStages({ accounts, hasMailboxHere }: ContentPolicyServices): readonly Stage[] {
  return [hopLimit, deliveredBefore(hasMailboxHere), headerOwnership(accounts), senderAuthentication];
}

/** What was found about the sender has been judged; here it takes effect. RFC 8601 §4.1, RFC 7208 §9.1: on top. */
const senderAuthentication: Stage = {
  rule: "sender-authentication",
  content: ({ sender }) => {
    if (sender === undefined) return undefined;
    const { decision, disposition, field, receivedSpf, setting } = sender;
    if (decision !== undefined) return decision;
    const fields = receivedSpf === undefined ? [field] : [field, receivedSpf];
    const found = fields.map((added) => ({ kind: "add-field", field: added }) as const);
    const changes: readonly Change[] = disposition === "junk" ? [...found, { kind: "quarantine" }] : found;
    return {
      verdict: "accept",
      reason: "sender-checked",
      changes,
      ...(setting !== undefined && { setting }),
    };
  },
};

/** Decided when the connection was counted, before anything was read. */
const connectionLimits: Stage = { rule: "connection-limits", connect: ({ turnedAway }) => turnedAway };

/** RFC 7504 §3; RFC 6409 §7: never where users submit. */
const noMailHost: Stage = {
  rule: "no-mail-host",
  connect: ({ client, acceptsMail }) =>
    acceptsMail || client.listener !== "mx" ? undefined : refuse("host-accepts-no-mail", {}),
};

/** Asked at MAIL with the size that is announced there, and again when the content comes. */
function freeSpace(admission: Pick<Admission, "roomFor">): Stage {
  const ask = ({ size }: { readonly size: number }) => admission.roomFor(size);
  return { rule: "free-space", mail: ask, data: ask };
}

/** Newcomers are refused when they are counted; here are the sessions that were open when the ban began. */
function bans(admission: Pick<Admission, "refusalOfBan">): Stage {
  return { rule: "bans", mail: ({ client }) => admission.refusalOfBan(client) };
}

function messageRate(admission: Pick<Admission, "countMessage">): Stage {
  return { rule: "message-rate", mail: ({ client }) => admission.countMessage(client) };
}

/** Last of those that look at a recipient: one that is refused is not counted. */
export function newRecipients(admission: Pick<Admission, "countRecipient">): Stage {
  return {
    rule: "new-recipients",
    recipient: ({ client: { login }, forwardPath, resolution }) =>
      login === undefined || resolution?.kind !== "not-local"
        ? undefined
        : admission.countRecipient(login, mailboxKey(forwardPath)),
  };
}
