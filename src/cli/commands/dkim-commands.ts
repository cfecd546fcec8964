/** `posthaste dkim …`: the keys that mail is signed with, and the records to publish for them. */
import { timeWords } from "../../history/words.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { type DkimKey, dkimKeys, removedDkimKey } from "../api-shapes.ts";
import { type Command, jsonOption, type OptionDeclaration, yesOption } from "../command.ts";
import type { CliContext } from "../context.ts";
import { ask, openApi, serverOptions } from "../data-dir.ts";
import { CliError, ExitCode, usageError } from "../exit-code.ts";
import type { GivenArguments } from "../given-arguments.ts";
import { printable } from "../../lib/printable-text.ts";
import { styleFor } from "../style.ts";

const domainArgument = { name: "DOMAIN", summary: "the domain that signs: the part after the @ of senders" } as const;

const selectorOption: OptionDeclaration = {
  name: "selector",
  value: "NAME",
  summary: "name of the key; for two keys, -rsa and -ed25519 are appended; default: a name with today's date",
};

const algorithmOption: OptionDeclaration = {
  name: "algorithm",
  value: "KIND",
  choices: ["rsa", "ed25519", "both"],
  summary: "rsa, ed25519, or both (the default): RSA for all receivers, Ed25519 for those that support it",
};

const generate: Command = {
  name: "dkim generate",
  summary: "create keys for a domain and print the records to publish",
  options: [selectorOption, algorithmOption, jsonOption, ...serverOptions],
  positionals: [domainArgument],
  examples: [
    { line: "posthaste dkim generate example.org", does: "an RSA and an Ed25519 key" },
    { line: "posthaste dkim generate example.org --selector mail --algorithm rsa", does: "one key, published at mail" },
  ],
  run: async (given, context) => {
    const [domain = ""] = given.positionals;
    const algorithm = given.text("algorithm") ?? "both";
    const selector = given.text("selector");
    const json = { domain, algorithm, ...(selector !== undefined && { selector }) };
    // Keys may be made, and published, before the server has run for the first time.
    await using api = await openApi(given, context, { mayCreate: true });
    const answer = await ask(api, "/api/v1/dkim/keys", { method: "POST", json });
    return tellMade(given, context, answer);
  },
};

const show: Command = {
  name: "dkim show",
  summary: "show keys, their records, and the result of the last DNS check",
  options: [jsonOption, ...serverOptions],
  positionals: [{ ...domainArgument, optional: true, summary: "only keys of this domain" }],
  examples: [{ line: "posthaste dkim show example.org", does: "state, record and what to do next" }],
  run: async (given, context) => {
    const [domain] = given.positionals;
    await using api = await openApi(given, context);
    const query = domain === undefined ? "" : `?domain=${encodeURIComponent(domain)}`;
    const answer = await ask(api, `/api/v1/dkim/keys${query}`);
    if (given.flag("json")) {
      context.stdout.write(`${JSON.stringify(answer)}\n`);
      return ExitCode.ok;
    }
    const { keys } = dkimKeys.parse(answer);
    if (keys.length === 0) {
      const whose = domain === undefined ? "There are no keys" : `${printable(domain)} has no keys`;
      context.stderr.write(`${whose}. \`posthaste dkim generate ${domain ?? "DOMAIN"}\` creates them.\n`);
      return ExitCode.ok;
    }
    context.stdout.write(keys.map((key) => describe(key, context)).join("\n"));
    return ExitCode.ok;
  },
};

const rotate: Command = {
  name: "dkim rotate",
  summary: "create new keys for a domain; they replace the old ones once they are visible in DNS",
  options: [jsonOption, ...serverOptions],
  positionals: [domainArgument],
  examples: [{ line: "posthaste dkim rotate example.org", does: "mail continues to be signed with the old keys" }],
  run: async (given, context) => {
    const [domain = ""] = given.positionals;
    await using api = await openApi(given, context);
    const answer = await ask(api, "/api/v1/dkim/rotate", { method: "POST", json: { domain } });
    return tellMade(given, context, answer);
  },
};

const remove: Command = {
  name: "dkim remove",
  summary: "remove a key; prints whether, or when, its record can be removed from DNS",
  options: [yesOption, jsonOption, ...serverOptions],
  positionals: [domainArgument, { name: "SELECTOR", summary: "name of the key: the part before ._domainkey" }],
  examples: [
    { line: "posthaste dkim remove example.org mail", does: "asks first, and warns if it is the only active key" },
    { line: "posthaste dkim remove example.org mail --yes", does: "without asking" },
  ],
  run: async (given, context) => {
    const [domain = "", selector = ""] = given.positionals;
    await using api = await openApi(given, context);
    const { keys } = dkimKeys.parse(await ask(api, `/api/v1/dkim/keys?domain=${encodeURIComponent(domain)}`));
    const key = keys.find((candidate) => candidate.selector === asciiLowerCase(selector));
    if (key === undefined) throw new CliError(ExitCode.data, noSuchKey(domain, selector, keys));
    if (!given.flag("yes") && !(await confirmRemoval(key, keys, context))) {
      context.stderr.write("Nothing was changed.\n");
      return ExitCode.ok;
    }
    const path = `/api/v1/dkim/keys/${encodeURIComponent(domain)}/${encodeURIComponent(key.selector)}?last=true`;
    const answer = await ask(api, path, { method: "DELETE" });
    if (given.flag("json")) {
      context.stdout.write(`${JSON.stringify(answer)}\n`);
      return ExitCode.ok;
    }
    const { removed, record_needed_until: neededUntil } = removedDkimKey.parse(answer);
    context.stderr.write(`Removed ${printable(removed.record.name)} (${removed.algorithm}).\n`);
    context.stdout.write(`${recordAdvice(removed, neededUntil)}\n`);
    return ExitCode.ok;
  },
};

export const dkimCommands: readonly Command[] = [generate, show, rotate, remove];

async function confirmRemoval(key: DkimKey, keys: readonly DkimKey[], { stdin }: CliContext): Promise<boolean> {
  const name = printable(key.record.name);
  const isActive = ({ state }: DkimKey) => state === "active";
  const consequence =
    isActive(key) && keys.filter(isActive).length === 1
      ? "It is the only active key of its domain: mail would be sent unsigned."
      : "It will no longer sign mail.";
  if (!stdin.isTerminal) throw usageError(`This would remove ${name}. ${consequence} No terminal to ask on: add --yes`);
  const answer = await stdin.ask(`Remove ${name}? ${consequence} [y/N] `);
  return /^y(es)?$/i.test(answer.trim());
}

function noSuchKey(domain: string, selector: string, keys: readonly DkimKey[]): string {
  const others = keys.length === 0 ? "it has none" : `it has ${keys.map((key) => key.selector).join(", ")}`;
  return printable(`${domain} has no key named ${selector}; ${others}`);
}

/** What becomes of its record. */
function recordAdvice({ record, dns }: DkimKey, neededUntil: string | null): string {
  const name = printable(record.name);
  if (neededUntil !== null) {
    return `Leave the record ${name} in DNS until ${utc(neededUntil)}: mail signed with the key is still on its way.`;
  }
  if (dns?.said === "seen") return `You can remove the record ${name} from DNS now.`;
  return `No mail needs the record ${name}: if you published it, you can remove it from DNS now.`;
}

function tellMade(given: GivenArguments, context: CliContext, answer: unknown): ExitCode {
  if (given.flag("json")) {
    context.stdout.write(`${JSON.stringify(answer)}\n`);
    return ExitCode.ok;
  }
  const { keys } = dkimKeys.parse(answer);
  context.stdout.write(keys.map((key) => describe(key, context)).join("\n"));
  context.stderr.write(
    `Publish ${keys.length === 1 ? "this record" : "these records"} in any one of the three forms. The server checks for them, and \`posthaste dkim show\` prints when it has found them.\n`,
  );
  return ExitCode.ok;
}

/** One key, as lines that can be copied whole. */
function describe(key: DkimKey, context: CliContext): string {
  const style = styleFor(context.stdout, context.environment);
  const title = `${key.record.name} (${key.algorithm})`;
  const origin = key.declared_in === "file" ? ", declared in the configuration" : "";
  const lines = [style.bold(printable(title)), `  State     ${key.state} since ${utc(key.since)}${origin}`];
  if (key.dns !== null) {
    lines.push(`  DNS       ${printable(saidByDns(key.dns))}, at ${utc(key.dns.at)}`);
  }
  lines.push(`  Next      ${printable(key.next)}`);
  if (key.state !== "retired") lines.push(`  TXT name  ${key.record.name}`, `  Value     ${key.record.text}`);
  // The other forms are for publishing it.
  if (key.state !== "retired" && key.dns?.said !== "seen") {
    lines.push(`  Quoted    ${key.record.quoted}`, `  Zone      ${key.record.zone}`);
  }
  return `${lines.join("\n")}\n`;
}

/** As the log's and explain's sentences have it: to the second. */
function utc(iso: string): string {
  const at = Date.parse(iso);
  return Number.isNaN(at) ? printable(iso) : timeWords(at);
}

function saidByDns({ said, detail }: NonNullable<DkimKey["dns"]>): string {
  switch (said) {
    case "seen":
      return "has this key";
    case "absent":
      return "has no such record";
    case "different":
      return `has something else: ${detail ?? ""}`;
    case "unknown":
      return `gave no answer: ${detail ?? ""}`;
    default:
      return said satisfies never;
  }
}
