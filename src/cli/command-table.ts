/** All commands, in the order in which help shows them. */
import type { Command } from "./command.ts";
import { bansCommands } from "./commands/bans-commands.ts";
import { acmeCommands } from "./commands/acme-commands.ts";
import { checkConfigCommand } from "./commands/check-command.ts";
import { checkDeliveryCommand } from "./commands/check-delivery-command.ts";
import { checkDnsCommand } from "./commands/check-dns-command.ts";
import { checkMessageCommand } from "./commands/check-message-command.ts";
import { completionCommand } from "./commands/completion-command.ts";
import { devCommand } from "./commands/dev-command.ts";
import { dkimCommands } from "./commands/dkim-commands.ts";
import { explainCommand } from "./commands/explain-command.ts";
import { inboxCommands } from "./commands/inbox-commands.ts";
import { bulkCommands } from "./commands/queue-bulk-commands.ts";
import { queueCommands } from "./commands/queue-commands.ts";
import { reportsCommands } from "./commands/reports-commands.ts";
import { routeCommands } from "./commands/route-commands.ts";
import { sendCommand } from "./commands/send-command.ts";
import { serveCommand } from "./commands/serve-command.ts";
import { siteCommands } from "./commands/site-commands.ts";
import { spoolCommands } from "./commands/spool-commands.ts";
import { userAppPasswordCommand } from "./commands/user-app-password-command.ts";
import { userGrantCommand } from "./commands/user-grant-command.ts";
import { userKeyCommand } from "./commands/user-key-command.ts";
import { userCommands } from "./commands/user-commands.ts";
import type { CommandGroup } from "./help.ts";

export const commands: readonly Command[] = [
  devCommand,
  serveCommand,
  checkConfigCommand,
  checkDnsCommand,
  checkMessageCommand,
  checkDeliveryCommand,
  explainCommand,
  ...queueCommands,
  ...bulkCommands,
  ...siteCommands,
  ...routeCommands,
  sendCommand,
  ...userCommands,
  userKeyCommand,
  ...bansCommands,
  userAppPasswordCommand,
  userGrantCommand,
  ...dkimCommands,
  ...acmeCommands,
  ...inboxCommands,
  ...reportsCommands,
  ...spoolCommands,
  completionCommand(() => commands),
];

export const commandGroups: readonly CommandGroup[] = [
  { name: "check", summary: "check a configuration, a domain's DNS, a message, or the way to a recipient" },
  { name: "queue", summary: "list and manage the queue" },
  { name: "site", summary: "list the sites that mail goes to, and pause or resume a site" },
  { name: "route", summary: "log in to relay hosts with OAuth" },
  { name: "user", summary: "add, change and remove users" },
  { name: "bans", summary: "list, explain and lift bans of networks" },
  { name: "dkim", summary: "manage the keys that sign outgoing mail" },
  { name: "acme", summary: "show, renew and prepare the certificate that the server gets through ACME" },
  { name: "inbox", summary: "read captured mail" },
  { name: "reports", summary: "read the DMARC and TLS reports that were received" },
  { name: "spool", summary: "check the spool, recover it from a damaged disk, or change its format" },
];
