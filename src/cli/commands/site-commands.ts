/** `posthaste site list | show | rest | wake`: what goes on at each site, and orders to leave one alone or to try it now. */
import { printable } from "../../lib/printable-text.ts";
import { type SiteShown, siteList, siteShown, wokenSite } from "../api-shapes.ts";
import { type Command, jsonOption, type PositionalDeclaration } from "../command.ts";
import type { CliContext } from "../context.ts";
import { ask, openApi, serverOptions } from "../data-dir.ts";
import { ExitCode } from "../exit-code.ts";
import type { GivenArguments } from "../given-arguments.ts";
import { styleFor, tableColumns, textTable } from "../style.ts";
import { plural, relativeTime } from "../words.ts";

const siteName: PositionalDeclaration = {
  name: "SITE",
  summary: "its name or description as listed, or a domain or address whose mail goes to it",
};

const list: Command = {
  name: "site list",
  summary: "list the sites that mail goes to, and which of them are paused or limited",
  options: [{ name: "all", summary: "idle sites, too" }, jsonOption, ...serverOptions],
  positionals: [],
  examples: [
    { line: "posthaste site list", does: "deliveries in progress, waiting mail, and why and until when it waits" },
  ],
  run: async (given, context) => {
    await using api = await openApi(given, context, { serverOnly: true });
    const answer = await ask(api, `/api/v1/sites${given.flag("all") ? "?all=true" : ""}`);
    if (given.flag("json")) return print(context, answer);
    const { sites } = siteList.parse(answer);
    if (sites.length === 0) context.stderr.write("No site has mail waiting, is paused or is limited.\n");
    else context.stdout.write(siteTable(sites, context));
    return ExitCode.ok;
  },
};

const show: Command = {
  name: "site show",
  summary: "show one site: why its mail waits and until when, its limit, its waiting mail and its last reply",
  options: [jsonOption, ...serverOptions],
  positionals: [siteName],
  examples: [{ line: "posthaste site show example.org", does: "the site that takes mail for example.org" }],
  run: async (given, context) => {
    const [name = ""] = given.positionals;
    await using api = await openApi(given, context, { serverOnly: true });
    const answer = await ask(api, `/api/v1/sites/show?${new URLSearchParams({ site: name }).toString()}`);
    return given.flag("json") ? print(context, answer) : describe(context, siteShown.parse(answer));
  },
};

const rest: Command = {
  name: "site rest",
  summary: "pause deliveries to a site for a time",
  description:
    "Deliveries in progress continue. All other mail for the site is deferred without an attempt, and this does not count as an attempt. A restart of the server ends the pause.",
  options: [
    { name: "for", value: "TIME", required: true, summary: "how long, such as 30m or 2h; at most 7d" },
    { name: "reason", value: "TEXT", required: true, summary: "reason, shown with the mail that waits" },
    jsonOption,
    ...serverOptions,
  ],
  positionals: [siteName],
  examples: [
    {
      line: "posthaste site rest example.org --for 2h --reason 'they are moving'",
      does: "nothing is sent there for two hours",
    },
  ],
  run: (given, context) =>
    order(given, context, "rest", { for: given.text("for") ?? "", reason: given.text("reason") ?? "" }),
};

const wake: Command = {
  name: "site wake",
  summary: "end the pause of a site and try its mail now",
  description: "One delivery checks whether the site answers; the others follow if it does.",
  options: [jsonOption, ...serverOptions],
  positionals: [siteName],
  examples: [{ line: "posthaste site wake example.org", does: "its waiting mail is due now" }],
  run: (given, context) => order(given, context, "wake", {}),
};

export const siteCommands: readonly Command[] = [list, show, rest, wake];

async function order(
  given: GivenArguments,
  context: CliContext,
  verb: "rest" | "wake",
  body: Readonly<Record<string, string>>,
): Promise<number> {
  const [site = ""] = given.positionals;
  await using api = await openApi(given, context, { serverOnly: true });
  const answer = await ask(api, `/api/v1/sites/${verb}`, { method: "POST", json: { site, ...body } });
  if (given.flag("json")) return print(context, answer);
  if (verb === "wake") {
    const { retried } = wokenSite.parse(answer);
    context.stderr.write(
      `The pause has ended; ${plural(retried, "waiting recipient")} ${retried === 1 ? "is" : "are"} due now.\n`,
    );
  }
  return describe(context, siteShown.parse(answer));
}

function print({ stdout }: CliContext, answer: unknown): number {
  stdout.write(`${JSON.stringify(answer)}\n`);
  return ExitCode.ok;
}

function describe(context: CliContext, site: SiteShown): number {
  const now = context.clock.now();
  const style = styleFor(context.stdout, context.environment);
  const lines = [
    `${style.bold(printable(site.site))}  ${printable(site.description)}`,
    `  ${plural(site.waiting, "recipient")} waiting in memory, ${deliveries(site)}`,
  ];
  if (site.limited_until !== null) lines.push(`  limited; raised ${relativeTime(site.limited_until, now)}`);
  if (site.waits_for !== null) {
    const until =
      site.waits_until === null ? "" : ` until ${site.waits_until} (${relativeTime(site.waits_until, now)})`;
    lines.push(`  ${style.yellow("waits")}${until}: ${printable(site.waits_for)}`);
  }
  if (site.last_reply !== null) lines.push(style.dim(`  last reply: ${printable(site.last_reply)}`));
  context.stdout.write(`${lines.join("\n")}\n`);
  return ExitCode.ok;
}

function deliveries({ running, limit, normal_limit: normal }: SiteShown): string {
  return `${running} of at most ${limit} deliveries in progress${limit === normal ? "" : ` (normally ${normal})`}`;
}

function siteTable(sites: readonly SiteShown[], { stdout, clock, environment }: CliContext): string {
  const now = clock.now();
  const rows = sites.map((site) => [
    printable(site.site),
    `${site.running}/${site.limit}`,
    String(site.waiting),
    site.waits_until === null ? "" : relativeTime(site.waits_until, now),
    printable(site.waits_for ?? ""),
    printable(site.last_reply ?? ""),
  ]);
  return textTable([["SITE", "RUNNING", "WAITING", "UNTIL", "WHY", "LAST REPLY"], ...rows], {
    columns: tableColumns(stdout),
    right: [1, 2],
    style: styleFor(stdout, environment),
  });
}
