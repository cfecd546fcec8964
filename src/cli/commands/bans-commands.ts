/** `posthaste bans list | explain | lift`: which networks are banned, why or why not, and an order to end a ban. */
import { printable } from "../../lib/printable-text.ts";
import { banExplanation, banList, type BanShown, liftedBans } from "../api-shapes.ts";
import { type Command, jsonOption, type PositionalDeclaration } from "../command.ts";
import type { CliContext } from "../context.ts";
import { ask, openApi, serverOptions } from "../data-dir.ts";
import { ExitCode } from "../exit-code.ts";
import { styleFor, tableColumns, textTable } from "../style.ts";
import { plural, relativeTime, span } from "../words.ts";

const subject: PositionalDeclaration = {
  name: "WHO",
  summary: "an IP address, a network as listed, or the login of a user",
};

const list: Command = {
  name: "bans list",
  summary: "list the networks that are banned, and until when",
  options: [jsonOption, ...serverOptions],
  positionals: [],
  examples: [{ line: "posthaste bans list", does: "the newest ban first" }],
  run: async (given, context) => {
    await using api = await openApi(given, context, { serverOnly: true });
    const answer = await ask(api, "/api/v1/bans");
    if (given.flag("json")) return print(context, answer);
    const { bans } = banList.parse(answer);
    if (bans.length === 0) context.stderr.write("No network is banned.\n");
    else context.stdout.write(banTable(bans, context));
    return ExitCode.ok;
  },
};

const explain: Command = {
  name: "bans explain",
  summary: "show whether a network is banned and why, and whether a login has to wait",
  options: [jsonOption, ...serverOptions],
  positionals: [subject],
  examples: [
    { line: "posthaste bans explain 192.0.2.1", does: "its bans, and how many offences it has left" },
    { line: "posthaste bans explain ann@example.org", does: "failed logins, and how long the next one has to wait" },
  ],
  run: async (given, context) => {
    const [who = ""] = given.positionals;
    await using api = await openApi(given, context, { serverOnly: true });
    const answer = await ask(api, `/api/v1/bans/explain?${new URLSearchParams({ of: who }).toString()}`);
    if (given.flag("json")) return print(context, answer);
    context.stdout.write(`${explanationLines(banExplanation.parse(answer), context.clock.now()).join("\n")}\n`);
    return ExitCode.ok;
  },
};

const lift: Command = {
  name: "bans lift",
  summary: "end the bans of a network, or the waiting time of a login",
  description:
    "What the network did so far is forgotten, too. It can be banned again; `bans.never` in the configuration prevents that.",
  options: [jsonOption, ...serverOptions],
  positionals: [subject],
  examples: [
    { line: "posthaste bans lift 192.0.2.1", does: "its clients are served again" },
    { line: "posthaste bans lift ann@example.org", does: "ann can log in at once" },
  ],
  run: async (given, context) => {
    const [who = ""] = given.positionals;
    await using api = await openApi(given, context, { serverOnly: true });
    const answer = await ask(api, "/api/v1/bans/lift", { method: "POST", json: { of: who } });
    if (given.flag("json")) return print(context, answer);
    const { lifted } = liftedBans.parse(answer);
    const what = lifted.length === 0 ? "There was no ban" : `Lifted ${plural(lifted.length, "ban")}`;
    context.stderr.write(`${what}; failed logins were forgotten.\n`);
    return ExitCode.ok;
  },
};

export const bansCommands: readonly Command[] = [list, explain, lift];

const exemptions: Readonly<Record<string, string>> = {
  "this-machine": "it is this machine",
  "private-address": "its address is private, so it may stand for many clients",
  "listed-proxy": "it is a proxy of a listener",
  "relay-network": "it is in relay.networks",
  "never-banned-by-settings": "it is in bans.never",
  "signed-in-lately": "a user has logged in from it during the last 7 days",
};

function explanationLines(found: ReturnType<(typeof banExplanation)["parse"]>, now: number): readonly string[] {
  const lines = [printable(found.network ?? found.login ?? "")];
  const exemption = found.never_banned;
  if (typeof exemption === "string") {
    lines.push(`  It is never banned: ${printable(exemptions[exemption] ?? exemption)}.`);
  } else if (found.network !== undefined && found.bans.length === 0) {
    lines.push("  It is not banned.");
  }
  for (const { service, offence, until, times, client } of found.bans) {
    const again = times > 1 ? ` This is ban ${times} in a row.` : "";
    lines.push(
      `  It is banned from ${printable(service)} until ${until} (${relativeTime(until, now)}): too many ${offenceWords(offence)}, the last by ${printable(client)}.${again}`,
    );
  }
  for (const { service, offence, left } of found.allowance) {
    const allowed = left === null ? "never banned for them" : `${left} more allowed now`;
    lines.push(`  ${printable(service)}, ${offenceWords(offence)}: ${allowed}`);
  }
  const wait = found.login_wait_seconds;
  lines.push(
    `  ${plural(found.failed_logins, "failed login")} remembered; ${wait === 0 ? "the next attempt need not wait" : `the next attempt has to wait ${span(wait * 1000)}`}.`,
  );
  return lines;
}

function offenceWords(offence: string): string {
  return `${printable(offence).replace("-", " ")}s`;
}

function banTable(bans: readonly BanShown[], { stdout, clock, environment }: CliContext): string {
  const now = clock.now();
  const rows = bans.map(({ network, service, offence, times, client, until }) => [
    printable(network),
    printable(service),
    offenceWords(offence),
    String(times),
    relativeTime(until, now),
    printable(client),
  ]);
  return textTable([["NETWORK", "BANNED FROM", "WHY", "TIMES", "ENDS", "LAST CLIENT"], ...rows], {
    columns: tableColumns(stdout),
    right: [3],
    style: styleFor(stdout, environment),
  });
}

function print({ stdout }: CliContext, answer: unknown): number {
  stdout.write(`${JSON.stringify(answer)}\n`);
  return ExitCode.ok;
}
