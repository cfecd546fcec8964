/** `posthaste user app-password …`: passwords for single programs and devices of a user. */
import { type AppPasswordScope, appPasswordScopes } from "../../accounts/app-passwords.ts";
import { timeWords } from "../../history/words.ts";
import { addedAppPassword, appPasswordList } from "../api-shapes.ts";
import { type Command, jsonOption, type OptionDeclaration } from "../command.ts";
import type { CliContext } from "../context.ts";
import { ask, openApi, serverOptions } from "../data-dir.ts";
import { ExitCode, usageError } from "../exit-code.ts";
import type { GivenArguments } from "../given-arguments.ts";
import { styleFor, textTable } from "../style.ts";

const labelOption: OptionDeclaration = {
  name: "label",
  value: "NAME",
  summary: "with add: name of the program or device; default: app-password-1, app-password-2 and so on",
};
const scopeOption: OptionDeclaration = {
  name: "scope",
  value: "SCOPES",
  summary:
    "with add: what it is good for, separated by commas: send (sign in to send mail), reports (read received reports over the API), admin (the whole API); default: send",
};

const actions = ["add", "list", "remove"] as const;

export const userAppPasswordCommand: Command = {
  name: "user app-password",
  summary: "create, list or remove passwords for single programs and devices of a user",
  description:
    "`add ADDRESS` creates a password and prints it to standard output, this once. It works beside the user's own password and survives a change of that. `list ADDRESS` shows the label, scope and last use of each. `remove ADDRESS LABEL` ends one for all new sign-ins. docs/sign-in.md explains the scopes.",
  options: [labelOption, scopeOption, jsonOption, ...serverOptions],
  positionals: [
    { name: "ACTION", summary: "what to do", choices: actions },
    { name: "ADDRESS", summary: "the user's address" },
    { name: "LABEL", summary: "with remove: the label of the app password", optional: true },
  ],
  examples: [
    { line: "posthaste user app-password add ann@example.org --label phone", does: "for the mail program of a phone" },
    {
      line: "posthaste user app-password add ann@example.org --label dashboard --scope reports",
      does: "for a program that reads DMARC and TLS reports",
    },
    { line: "posthaste user app-password list ann@example.org", does: "with scope and last use" },
    { line: "posthaste user app-password remove ann@example.org phone", does: "the phone was stolen" },
  ],
  run: (given, context) => {
    const [action = "", address = "", label] = given.positionals;
    switch (action as (typeof actions)[number]) {
      case "add":
        return add(given, context, address);
      case "list":
        return list(given, context, address);
      case "remove":
        if (label === undefined) throw usageError("name the app password by its label");
        return remove(given, context, address, label);
      default:
        throw usageError(`ACTION is one of ${actions.join(", ")}, not "${action}"`);
    }
  },
};

async function add(given: GivenArguments, context: CliContext, address: string): Promise<ExitCode> {
  const label = given.text("label");
  const json = { scopes: scopesOf(given.text("scope") ?? "send"), ...(label !== undefined && { label }) };
  await using api = await openApi(given, context, { mayCreate: true });
  const answer = await ask(api, pathOf(address), { method: "POST", json });
  if (given.flag("json")) {
    context.stdout.write(`${JSON.stringify(answer)}\n`);
    return ExitCode.ok;
  }
  const { label: named, password } = addedAppPassword.parse(answer);
  context.stdout.write(`${password}\n`);
  context.stderr.write(`Created the app password ${named} of ${address}. It is not shown again.\n`);
  return ExitCode.ok;
}

async function list(given: GivenArguments, context: CliContext, address: string): Promise<ExitCode> {
  await using api = await openApi(given, context);
  const answer = await ask(api, pathOf(address));
  if (given.flag("json")) {
    context.stdout.write(`${JSON.stringify(answer)}\n`);
    return ExitCode.ok;
  }
  const { app_passwords: all } = appPasswordList.parse(answer);
  if (all.length === 0) {
    context.stderr.write(
      `${address} has no app passwords. \`posthaste user app-password add ${address}\` creates one.\n`,
    );
    return ExitCode.ok;
  }
  const time = (at: string | null) => (at === null ? "never" : timeWords(Date.parse(at)));
  const rows = all.map((one) => [one.label, one.scopes.join(","), time(one.created_at), time(one.last_used_at)]);
  const style = styleFor(context.stdout, context.environment);
  context.stdout.write(
    textTable([["LABEL", "SCOPE", "CREATED", "LAST USED"], ...rows], { columns: Number.POSITIVE_INFINITY, style }),
  );
  return ExitCode.ok;
}

async function remove(given: GivenArguments, context: CliContext, address: string, label: string): Promise<ExitCode> {
  await using api = await openApi(given, context);
  const answer = await ask(api, `${pathOf(address)}/${encodeURIComponent(label)}`, { method: "DELETE" });
  if (given.flag("json")) context.stdout.write(`${JSON.stringify(answer)}\n`);
  else
    context.stderr.write(`Removed the app password ${label} of ${address}. Sessions that are open stay signed in.\n`);
  return ExitCode.ok;
}

function scopesOf(text: string): readonly AppPasswordScope[] {
  return text.split(",").map((name) => {
    const scope = appPasswordScopes.find((known) => known === name.trim());
    if (scope === undefined) throw usageError(`a scope is one of ${appPasswordScopes.join(", ")}, not "${name}"`);
    return scope;
  });
}

function pathOf(address: string): string {
  return `/api/v1/users/${encodeURIComponent(address)}/app-passwords`;
}
