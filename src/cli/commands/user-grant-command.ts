/** `posthaste user grant …`: as whom a user may send besides themselves. */
import { grantList } from "../api-shapes.ts";
import { type Command, jsonOption } from "../command.ts";
import type { CliContext } from "../context.ts";
import { ask, openApi, serverOptions } from "../data-dir.ts";
import { ExitCode, usageError } from "../exit-code.ts";
import type { GivenArguments } from "../given-arguments.ts";
import { styleFor, textTable } from "../style.ts";

const actions = ["add", "list", "remove"] as const;

export const userGrantCommand: Command = {
  name: "user grant",
  summary: "let a user send as other addresses",
  description:
    "Without a grant, a user may send as the user's own address and as aliases that lead to it. `add ADDRESS SENDER` lets the user send as SENDER, too: one address, or *@DOMAIN for every address in a domain; quote the asterisk. `list ADDRESS` shows the grants of a user, those of `send_as` in the configuration file included. `remove ADDRESS SENDER` ends a grant at once, in open sessions, too.",
  options: [jsonOption, ...serverOptions],
  positionals: [
    { name: "ACTION", summary: "what to do", choices: actions },
    { name: "ADDRESS", summary: "the user's address" },
    { name: "SENDER", summary: "with add and remove: an address or *@DOMAIN", optional: true },
  ],
  examples: [
    { line: "posthaste user grant add ann@example.org support@example.org", does: "Ann also answers as support" },
    { line: "posthaste user grant add app@example.org '*@news.example.org'", does: "every address in a domain" },
    { line: "posthaste user grant list ann@example.org", does: "as whom Ann may send" },
  ],
  run: (given, context) => {
    const [action = "", address = "", sender] = given.positionals;
    if (action === "list") return list(given, context, address);
    if (action !== "add" && action !== "remove") {
      throw usageError(`ACTION is one of ${actions.join(", ")}, not "${action}"`);
    }
    if (sender === undefined) throw usageError("name the address, or *@ and a domain");
    return change(given, context, { action, address, sender });
  },
};

async function change(
  given: GivenArguments,
  context: CliContext,
  { action, address, sender }: { readonly action: "add" | "remove"; readonly address: string; readonly sender: string },
): Promise<ExitCode> {
  const path = pathOf(address);
  await using api = await openApi(given, context, { mayCreate: action === "add" });
  const answer =
    action === "add"
      ? await ask(api, path, { method: "POST", json: { address: sender } })
      : await ask(api, `${path}/${encodeURIComponent(sender)}`, { method: "DELETE" });
  const told = action === "add" ? `${address} may send as ${sender}.` : `${address} may no longer send as ${sender}.`;
  if (given.flag("json")) context.stdout.write(`${JSON.stringify(answer)}\n`);
  else context.stderr.write(`${told}\n`);
  return ExitCode.ok;
}

async function list(given: GivenArguments, context: CliContext, address: string): Promise<ExitCode> {
  await using api = await openApi(given, context);
  const answer = await ask(api, pathOf(address));
  if (given.flag("json")) {
    context.stdout.write(`${JSON.stringify(answer)}\n`);
    return ExitCode.ok;
  }
  const { grants } = grantList.parse(answer);
  if (grants.length === 0) {
    context.stderr.write(`${address} has no grants: only the user's own address and aliases that lead to it.\n`);
    return ExitCode.ok;
  }
  const rows = grants.map((grant) => [
    grant.address,
    grant.source === "file" ? "configuration file" : "data directory",
  ]);
  const style = styleFor(context.stdout, context.environment);
  context.stdout.write(textTable([["SENDER", "DECLARED IN"], ...rows], { columns: Number.POSITIVE_INFINITY, style }));
  return ExitCode.ok;
}

function pathOf(address: string): string {
  return `/api/v1/users/${encodeURIComponent(address)}/grants`;
}
