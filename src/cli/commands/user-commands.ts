/** `posthaste user …`: users in the data directory. Those of the file are only listed. */
import { resolve } from "node:path";
import { AccountError } from "../../accounts/account-error.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { FileError } from "../../ports/files.ts";
import { userList } from "../api-shapes.ts";
import { type Command, jsonOption, type OptionDeclaration, yesOption } from "../command.ts";
import type { CliContext, ServerApi } from "../context.ts";
import { ask, openApi, serverOptions } from "../data-dir.ts";
import { CliError, ExitCode, usageError } from "../exit-code.ts";
import type { GivenArguments } from "../given-arguments.ts";
import { styleFor, textTable } from "../style.ts";

/** As the API takes them. */
const passwordBytesMax = 1024;

const passwordOption: OptionDeclaration = {
  name: "password-file",
  value: "FILE",
  completes: "file",
  summary:
    "read the password from FILE, or from standard input with -; default: prompt on a terminal, else read from the pipe",
};

const passwordOptions: readonly OptionDeclaration[] = [
  passwordOption,
  { name: "generate", summary: "create a strong password and print it to standard output" },
];

const addressArgument = { name: "ADDRESS", summary: "the user's address, which is also the login" } as const;

const add: Command = {
  name: "user add",
  summary: "add a user with a mailbox and a login",
  options: [...passwordOptions, jsonOption, ...serverOptions],
  positionals: [addressArgument],
  examples: [
    { line: "posthaste user add ann@example.org", does: "asks for the password twice" },
    { line: "posthaste user add ann@example.org --generate", does: "prints a new password" },
  ],
  run: async (given, context) => {
    const [address = ""] = given.positionals;
    checkAddress(address);
    const password = await passwordFor(given, context);
    // Users may be made before the server has run for the first time.
    await using api = await openApi(given, context, { mayCreate: true });
    await ask(api, "/api/v1/users", { method: "POST", json: { address, password: password.text } });
    return tellDone({ given, context, address, password, done: `Created user ${address}.` });
  },
};

const passwd: Command = {
  name: "user passwd",
  summary: "change the password of a user",
  options: [...passwordOptions, jsonOption, ...serverOptions],
  positionals: [addressArgument],
  examples: [{ line: "posthaste user passwd ann@example.org --password-file - < new.txt", does: "from a pipe" }],
  run: async (given, context) => {
    const [address = ""] = given.positionals;
    checkAddress(address);
    const password = await passwordFor(given, context);
    await using api = await openApi(given, context);
    await requireUser(api, address);
    await ask(api, userPath(address), { method: "PUT", json: { password: password.text } });
    return tellDone({ given, context, address, password, done: `Password of ${address} changed.` });
  },
};

const list: Command = {
  name: "user list",
  summary: "list all users, and show where each is declared",
  options: [jsonOption, ...serverOptions],
  positionals: [],
  examples: [],
  run: async (given, context) => {
    await using api = await openApi(given, context);
    const answer = await ask(api, "/api/v1/users");
    if (given.flag("json")) {
      context.stdout.write(`${JSON.stringify(answer)}\n`);
      return ExitCode.ok;
    }
    const { users } = userList.parse(answer);
    if (users.length === 0) {
      context.stderr.write("There are no users. `posthaste user add ADDRESS` creates one.\n");
      return ExitCode.ok;
    }
    const rows = users.map(({ address, source }) => [
      address,
      source === "file" ? "configuration file" : "data directory",
    ]);
    const style = styleFor(context.stdout, context.environment);
    context.stdout.write(
      textTable([["ADDRESS", "DECLARED IN"], ...rows], { columns: Number.POSITIVE_INFINITY, style }),
    );
    return ExitCode.ok;
  },
};

const remove: Command = {
  name: "user remove",
  summary: "remove a user; mail that was already delivered is kept",
  options: [yesOption, jsonOption, ...serverOptions],
  positionals: [addressArgument],
  examples: [{ line: "posthaste user remove ann@example.org --yes", does: "without asking" }],
  run: async (given, context) => {
    const [address = ""] = given.positionals;
    checkAddress(address);
    await using api = await openApi(given, context);
    await requireUser(api, address);
    if (!given.flag("yes")) {
      if (!context.stdin.isTerminal) throw usageError(`This would remove ${address}. No terminal to ask on: add --yes`);
      const answer = await context.stdin.ask(`Remove ${address}? New mail for it will be refused. [y/N] `);
      if (!/^y(es)?$/i.test(answer.trim())) {
        context.stderr.write("Nothing was changed.\n");
        return ExitCode.ok;
      }
    }
    await ask(api, userPath(address), { method: "DELETE" });
    return tellDone({ given, context, address, done: `Removed ${address}.` });
  },
};

const hash: Command = {
  name: "user hash",
  summary: "print the password hash for the configuration file",
  options: [
    passwordOption,
    { name: "scram", summary: "print a SCRAM-SHA-256 verifier, for a list beside the hash" },
    jsonOption,
  ],
  positionals: [],
  examples: [
    { line: "posthaste user hash", does: "for `password` of a [[user]]; asks for the password twice" },
    { line: "posthaste user hash --scram", does: "for clients that sign in by SCRAM" },
  ],
  run: async (given, context) => {
    const { text } = await passwordFor(given, context);
    try {
      const verifier = await context.makeVerifier(text, given.flag("scram") ? "scram" : "argon2id");
      context.stdout.write(given.flag("json") ? `${JSON.stringify({ password: verifier })}\n` : `${verifier}\n`);
      return ExitCode.ok;
    } catch (error) {
      if (error instanceof AccountError) throw new CliError(ExitCode.data, error.message);
      throw error;
    }
  },
};

export const userCommands: readonly Command[] = [add, passwd, list, remove, hash];

interface ChosenPassword {
  readonly text: string;
  readonly generated: boolean;
}

async function passwordFor(given: GivenArguments, context: CliContext): Promise<ChosenPassword> {
  const file = given.text("password-file");
  if (given.flag("generate")) {
    if (file !== undefined) throw usageError("--generate and --password-file cannot be used together");
    // 18 octets: 144 bits in 24 letters.
    return { text: Buffer.from(context.random.bytes(18)).toString("base64url"), generated: true };
  }
  if (file !== undefined) return { text: await readPassword(file, context), generated: false };
  if (!context.stdin.isTerminal) {
    const piped = passwordIn(await context.stdin.readAll(passwordBytesMax), "standard input");
    if (piped === "") {
      throw usageError(
        "there is no terminal to ask for a password: pipe it in, or use --password-file FILE or --generate",
      );
    }
    return { text: piped, generated: false };
  }
  const first = await context.stdin.ask("Password: ", { hidden: true });
  const second = await context.stdin.ask("Again: ", { hidden: true });
  if (first !== second) throw new CliError(ExitCode.data, "the two passwords differ");
  if (first === "") throw new CliError(ExitCode.data, "the password is empty");
  return { text: first, generated: false };
}

async function readPassword(file: string, context: CliContext): Promise<string> {
  const path = resolve(context.workingDirectory, file);
  try {
    const bytes = file === "-" ? await context.stdin.readAll(passwordBytesMax) : await context.files.readFile(path);
    const text = passwordIn(bytes, file === "-" ? "standard input" : file);
    if (text === "") throw new CliError(ExitCode.data, `${file === "-" ? "standard input" : file} is empty`);
    return text;
  } catch (error) {
    if (error instanceof FileError) throw new CliError(ExitCode.data, `${path} cannot be read (${error.code})`);
    throw error;
  }
}

/** One line, with or without its line end; empty where nothing was given. */
function passwordIn(bytes: Uint8Array, source: string): string {
  const text = new TextDecoder().decode(bytes).replace(/\r?\n$/, "");
  if (bytes.length > passwordBytesMax || /[\r\n]/.test(text)) {
    throw new CliError(ExitCode.data, `${source} does not hold one password on one line`);
  }
  return text;
}

/** The API keeps its own, stricter rules; this saves typing a password for nothing. */
function checkAddress(address: string): void {
  if (!/^[^@\s].*@[^@\s]+$/s.test(address)) throw usageError(`"${address}" is not an address such as ann@example.org`);
}

async function requireUser(api: ServerApi, address: string): Promise<void> {
  const { users } = userList.parse(await ask(api, "/api/v1/users"));
  const user = users.find((candidate) => asciiLowerCase(candidate.address) === asciiLowerCase(address));
  if (!user)
    throw new CliError(ExitCode.noUser, `there is no user ${address}`, "`posthaste user list` shows all users.");
  if (user.source === "file") {
    throw new CliError(ExitCode.data, `${address} is declared in the configuration file; change it there and reload`);
  }
}

function userPath(address: string): string {
  return `/api/v1/users/${encodeURIComponent(address)}`;
}

function tellDone(result: {
  readonly given: GivenArguments;
  readonly context: CliContext;
  readonly address: string;
  readonly password?: ChosenPassword;
  readonly done: string;
}): ExitCode {
  const { given, context, address, password, done } = result;
  const generated = password?.generated ? password.text : undefined;
  if (given.flag("json")) {
    context.stdout.write(`${JSON.stringify({ address, ...(generated !== undefined && { password: generated }) })}\n`);
    return ExitCode.ok;
  }
  context.stderr.write(`${done}\n`);
  if (generated !== undefined) context.stdout.write(`${generated}\n`);
  return ExitCode.ok;
}
