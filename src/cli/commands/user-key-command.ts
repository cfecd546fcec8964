/** `posthaste user key …`: public keys with which users sign in by TLS client certificate, and servers relay. */
import { resolve } from "node:path";
import { readUserKey } from "../../accounts/user-keys.ts";
import { timeWords } from "../../history/words.ts";
import { FileError } from "../../ports/files.ts";
import { userKey, userKeyList } from "../api-shapes.ts";
import { type Command, jsonOption, type OptionDeclaration } from "../command.ts";
import type { CliContext } from "../context.ts";
import { ask, openApi, serverOptions } from "../data-dir.ts";
import { CliError, ExitCode, usageError } from "../exit-code.ts";
import type { GivenArguments } from "../given-arguments.ts";
import { styleFor, textTable } from "../style.ts";

const labelOption: OptionDeclaration = {
  name: "label",
  value: "NAME",
  summary: "name of the key in lists, the log and explanations; default: key-1, key-2 and so on",
};
const outOption: OptionDeclaration = {
  name: "out",
  value: "FOLDER",
  completes: "folder",
  summary: "with new: folder for the two files; default: the working directory",
};
const daysOption: OptionDeclaration = {
  name: "days",
  value: "NUMBER",
  summary: "days until the key expires; default: until the certificate expires, or 730 with new",
};

const dayMs = 86_400_000;
const usualDays = 730;
const daysMax = 3650;

const actions = ["add", "new", "list", "remove", "digest"] as const;

export const userKeyCommand: Command = {
  name: "user key",
  summary: "add, create, list or remove the keys with which a user signs in instead of a password",
  description:
    "`add ADDRESS FILE` registers the key of a PEM certificate or public key. `new ADDRESS` creates a key and a self-signed certificate for a device, writes both to files, and registers the key. `list ADDRESS` shows the keys of a user. `remove ADDRESS LABEL` ends a key for all new sign-ins. `digest FILE` prints the SHA-256 of a key, for relay.keys. docs/sign-in.md shows how to set up mail programs.",
  options: [labelOption, outOption, daysOption, jsonOption, ...serverOptions],
  positionals: [
    { name: "ACTION", summary: "what to do", choices: actions },
    { name: "ADDRESS", summary: "the user's address; with digest: the file", completes: "file" },
    {
      name: "KEY",
      summary: "with add: the file; with remove: the label or the digest",
      optional: true,
      completes: "file",
    },
  ],
  examples: [
    { line: "posthaste user key new ann@example.org --label laptop", does: "two files for Ann's laptop" },
    { line: "posthaste user key add ann@example.org phone.pem --label phone", does: "the key of a certificate" },
    { line: "posthaste user key list ann@example.org", does: "with expiry and last use" },
    { line: "posthaste user key remove ann@example.org laptop", does: "the laptop was stolen" },
  ],
  run: (given, context) => {
    const [action = "", subject = "", key] = given.positionals;
    switch (action as (typeof actions)[number]) {
      case "add":
        if (key === undefined) throw usageError("name the file with the certificate or the public key");
        return add(given, context, subject, key);
      case "new":
        return create(given, context, subject);
      case "list":
        return list(given, context, subject);
      case "remove":
        if (key === undefined) throw usageError("name the key by its label or its digest");
        return remove(given, context, subject, key);
      case "digest":
        return digest(given, context, subject);
      default:
        throw usageError(`ACTION is one of ${actions.join(", ")}, not "${action}"`);
    }
  },
};

async function add(given: GivenArguments, context: CliContext, address: string, file: string): Promise<ExitCode> {
  const pem = await readPem(file, context);
  const days = daysOf(given);
  const expiresAt = days === undefined ? undefined : context.clock.now() + days * dayMs;
  const added = await register(given, context, address, { pem, expiresAt });
  if (given.flag("json")) context.stdout.write(`${JSON.stringify(added)}\n`);
  else context.stderr.write(`${address} can sign in with the key ${added.label}.\n`);
  return ExitCode.ok;
}

/** The files come first: a key that is registered and lost would be of no use. */
async function create(given: GivenArguments, context: CliContext, address: string): Promise<ExitCode> {
  const label = given.text("label") ?? `key-${new Date(context.clock.now()).toISOString().slice(0, 10)}`;
  const made = context.makeClientCertificate(address, { days: daysOf(given) ?? usualDays, now: context.clock.now() });
  const folder = resolve(context.workingDirectory, given.text("out") ?? ".");
  const base = `${folder}/${`${address}-${label}`.replaceAll(/[^\p{L}\p{N}@._+-]/gu, "-")}`;
  const files = { key: `${base}.key.pem`, certificate: `${base}.cert.pem` };
  await write(context, files.key, made.keyPem, 0o600);
  await write(context, files.certificate, made.certificatePem, 0o644);
  const added = await register(given, context, address, { pem: made.certificatePem, label }).catch(async (error) => {
    for (const path of Object.values(files)) await context.files.remove(path);
    throw error;
  });
  if (given.flag("json")) {
    context.stdout.write(`${JSON.stringify({ ...added, files })}\n`);
    return ExitCode.ok;
  }
  context.stdout.write(`${files.certificate}\n${files.key}\n`);
  context.stderr.write(`${address} can sign in with the key ${added.label}. Keep ${files.key} secret.\n`);
  return ExitCode.ok;
}

async function list(given: GivenArguments, context: CliContext, address: string): Promise<ExitCode> {
  await using api = await openApi(given, context);
  const answer = await ask(api, keysPath(address));
  if (given.flag("json")) {
    context.stdout.write(`${JSON.stringify(answer)}\n`);
    return ExitCode.ok;
  }
  const { keys } = userKeyList.parse(answer);
  if (keys.length === 0) {
    context.stderr.write(`${address} has no keys. \`posthaste user key new ${address}\` creates one.\n`);
    return ExitCode.ok;
  }
  const time = (at: string | null) => (at === null ? "never" : timeWords(Date.parse(at)));
  const rows = keys.map((key) => [key.label, time(key.expires_at), time(key.last_used_at), key.sha256]);
  const style = styleFor(context.stdout, context.environment);
  context.stdout.write(
    textTable([["LABEL", "EXPIRES", "LAST USED", "SHA-256"], ...rows], { columns: Number.POSITIVE_INFINITY, style }),
  );
  return ExitCode.ok;
}

async function remove(given: GivenArguments, context: CliContext, address: string, name: string): Promise<ExitCode> {
  await using api = await openApi(given, context);
  const answer = await ask(api, `${keysPath(address)}/${encodeURIComponent(name)}`, { method: "DELETE" });
  if (given.flag("json")) context.stdout.write(`${JSON.stringify(answer)}\n`);
  else context.stderr.write(`Removed the key ${name} of ${address}. Sessions that are open stay signed in.\n`);
  return ExitCode.ok;
}

async function digest(given: GivenArguments, context: CliContext, file: string): Promise<ExitCode> {
  const read = readUserKey(await readPem(file, context));
  if (read.kind === "problem") throw new CliError(ExitCode.data, `${file}: ${read.problem}`);
  context.stdout.write(given.flag("json") ? `${JSON.stringify({ sha256: read.sha256 })}\n` : `${read.sha256}\n`);
  return ExitCode.ok;
}

async function register(
  given: GivenArguments,
  context: CliContext,
  address: string,
  key: { readonly pem: string; readonly label?: string; readonly expiresAt?: number | undefined },
) {
  const label = key.label ?? given.text("label");
  const json = {
    pem: key.pem,
    ...(label !== undefined && { label }),
    ...(key.expiresAt !== undefined && { expires_at: new Date(key.expiresAt).toISOString() }),
  };
  await using api = await openApi(given, context, { mayCreate: true });
  return userKey.parse(await ask(api, keysPath(address), { method: "POST", json }));
}

function daysOf(given: GivenArguments): number | undefined {
  return given.number("days", { min: 1, max: daysMax });
}

async function readPem(file: string, context: CliContext): Promise<string> {
  const path = resolve(context.workingDirectory, file);
  try {
    return Buffer.from(await context.files.readFile(path)).toString("latin1");
  } catch (error) {
    if (error instanceof FileError) throw new CliError(ExitCode.data, `${path} cannot be read (${error.code})`);
    throw error;
  }
}

/** Never over a file that is there: it may be the only copy of another key. */
async function write(context: CliContext, path: string, text: string, permissions: number): Promise<void> {
  try {
    await using file = await context.files.open(path, "create", permissions);
    await file.write(Buffer.from(text));
    await file.sync();
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    const why = error.code === "EEXIST" ? "exists already" : `cannot be written (${error.code})`;
    throw new CliError(ExitCode.data, `${path} ${why}`);
  }
}

function keysPath(address: string): string {
  return `/api/v1/users/${encodeURIComponent(address)}/keys`;
}
