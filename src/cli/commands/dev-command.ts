/** `posthaste dev`: the test inbox. It is the production server with the network captured. */
import { resolve } from "node:path";
import { developmentSettings } from "../../config/development-settings.ts";
import { parseIpAddress } from "../../lib/ip-network.ts";
import { type Network, NetworkError } from "../../ports/network.ts";
import { type Command, jsonOption } from "../command.ts";
import type { CliContext } from "../context.ts";
import { dataDirOption, devDataDir, projectDataDir } from "../data-dir.ts";
import { CliError, ExitCode, usageError } from "../exit-code.ts";
import type { GivenArguments } from "../given-arguments.ts";
import { type RunningServer, type ServerPlan, StartError } from "../running-server.ts";
import { devJson, devScreen, devVariables } from "./dev-screen.ts";
import { sendFirstMessage } from "./first-message.ts";
import { aborted } from "./serve-command.ts";

const portBounds = { min: 0, max: 65_535 };

export const devCommand: Command = {
  name: "dev",
  summary: "run a test inbox: it captures everything sent to it, and nothing leaves this machine",
  description:
    "Accepts any login and any recipient, on loopback only unless --host is given. Offers no TLS by default, because\n" +
    "clients refuse the self-signed certificate. Captured mail is kept across restarts in $XDG_STATE_HOME/posthaste-dev\n" +
    "(~/.local/state/posthaste-dev); `posthaste inbox` reads it.\n\n" +
    "With a program after --, the inbox starts empty on free ports, in a temporary folder, unless options say otherwise.\n" +
    "The program gets SMTP_HOST, SMTP_PORT, POSTHASTE_URL and POSTHASTE_DATA_DIR in its environment. When it ends, the\n" +
    "inbox ends with the same exit code.",
  options: [
    {
      name: "host",
      value: "ADDRESS",
      variable: "POSTHASTE_HOST",
      summary: "IP address to listen on; default 127.0.0.1, and for SMTP ::1",
    },
    {
      name: "smtp-port",
      value: "PORT",
      variable: "POSTHASTE_SMTP_PORT",
      summary: "default 1025; 0 chooses a free port",
    },
    {
      name: "http-port",
      value: "PORT",
      variable: "POSTHASTE_HTTP_PORT",
      summary: "default 8025; 0 chooses a free port",
    },
    {
      name: "tls-port",
      value: "PORT",
      variable: "POSTHASTE_TLS_PORT",
      summary: "also accept SMTP over implicit TLS on PORT; 0 chooses a free port",
    },
    { name: "starttls", variable: "POSTHASTE_STARTTLS", summary: "offer STARTTLS, with a self-signed certificate" },
    { name: "no-starttls", summary: "the default; accepted for older scripts" },
    {
      name: "allow-host",
      value: "NAME",
      multiple: true,
      variable: "POSTHASTE_ALLOW_HOST",
      summary: "additional host name for HTTP requests, such as that of a container",
    },
    {
      name: "no-welcome",
      variable: "POSTHASTE_NO_WELCOME",
      summary: "do not send a first message to an empty inbox",
    },
    { ...dataDirOption, summary: "keep the spool and the captured mail in FOLDER" },
    {
      name: "project",
      variable: "POSTHASTE_PROJECT",
      summary: "keep them in .posthaste in the working directory, where every command finds it",
    },
    { ...jsonOption, summary: "print addresses, ports and folders as one line of JSON instead of the screen" },
  ],
  positionals: [],
  takesProgram: true,
  examples: [
    { line: "posthaste dev", does: "SMTP on 1025, HTTP on 8025" },
    { line: "posthaste dev --smtp-port 2525 --http-port 8026 --data-dir ./mail", does: "when those ports are in use" },
    { line: "posthaste dev --starttls --tls-port 1465", does: "for an application that requires TLS" },
    { line: "posthaste dev -- npm test", does: "an inbox for one run of the tests" },
    { line: "posthaste dev --host 0.0.0.0 --allow-host mail", does: "in a container named mail" },
  ],
  run: async (given, context) => {
    if (given.flag("starttls") && given.flag("no-starttls")) {
      throw usageError("--starttls and --no-starttls cannot be used together");
    }
    if (given.program.length === 0) return await serveInbox(given, context, await dataDirOf(given, context));
    if (given.flag("json")) throw usageError("--json cannot be used with a program: both write to standard output");
    if (given.text("data-dir") !== undefined || given.flag("project")) {
      return await runProgram(given, context, await dataDirOf(given, context));
    }
    await using folder = await context.temporaryFolder();
    return await runProgram(given, context, folder.path);
  },
};

async function serveInbox(given: GivenArguments, context: CliContext, dataDir: string): Promise<number> {
  const { interrupted, stdout } = context;
  const startTls = given.flag("starttls");
  const plan = await planOf(given, context, dataDir);
  const server = await startOrExplain(() => context.startServer(plan));
  const first = given.flag("no-welcome") ? undefined : await sendFirstMessage(server, dataDir, context);
  const folderIsUsual = dataDir === (await devDataDir(context));
  const shown = { server, dataDir, startTls, folderIsUsual, first, context };
  stdout.write(given.flag("json") ? devJson(shown) : devScreen(shown));
  server.showLog?.();
  await aborted(interrupted);
  await server.stop();
  return ExitCode.ok;
}

async function runProgram(given: GivenArguments, context: CliContext, dataDir: string): Promise<number> {
  const plan = await planOf(given, context, dataDir);
  const server = await startOrExplain(() => context.startServer(plan));
  server.showLog?.();
  const end = await context.runProgram(given.program, devVariables(server, dataDir));
  await server.stop();
  if (end.kind === "not-started") {
    context.stderr.write(`posthaste: ${given.program[0]} cannot be started: ${end.reason}\n`);
  }
  return end.code;
}

async function planOf(given: GivenArguments, context: CliContext, dataDir: string): Promise<ServerPlan> {
  const forProgram = given.program.length > 0;
  const smtpPort = given.number("smtp-port", portBounds) ?? (forProgram ? 0 : 1025);
  const tlsPort = given.number("tls-port", portBounds);
  const settings = developmentSettings({
    dataDir,
    hosts: await hostsOf(given, context, [smtpPort, tlsPort]),
    smtpPort,
    httpPort: given.number("http-port", portBounds) ?? (forProgram ? 0 : 8025),
    tlsPort,
    hostnames: given.texts("allow-host"),
  });
  return { settings, mode: "development", startTls: given.flag("starttls"), quietLog: forProgram };
}

/** Clients that are told "localhost" try ::1 too, many of them first. A port that the system gives is one address's. */
async function hostsOf(
  given: GivenArguments,
  { network }: CliContext,
  ports: readonly (number | undefined)[],
): Promise<readonly [string, ...string[]]> {
  const text = given.text("host") ?? "localhost";
  if (text !== "localhost") {
    if (parseIpAddress(text) === undefined) throw usageError(`--host takes an IP address, not "${text}"`);
    return [text];
  }
  if (ports.includes(0) || !(await hasAddress(network, "::1"))) return ["127.0.0.1"];
  return ["127.0.0.1", "::1"];
}

async function hasAddress(network: Network, address: string): Promise<boolean> {
  try {
    await using _listener = await network.listen(
      { kind: "ip", address, port: 0 },
      { accept: (client) => client.destroy() },
    );
    return true;
  } catch (error) {
    if (error instanceof NetworkError) return false;
    throw error;
  }
}

async function dataDirOf(given: GivenArguments, context: CliContext): Promise<string> {
  const folder = given.text("data-dir");
  const project = given.flag("project");
  // Of two that come from different places, the command line's.
  if (folder !== undefined && !(project && given.isFromEnvironment("data-dir"))) {
    if (project && !given.isFromEnvironment("project"))
      throw usageError("--data-dir and --project cannot be used together");
    return resolve(context.workingDirectory, folder);
  }
  return project ? await makeProjectFolder(context) : await devDataDir(context);
}

/** Its mail is not for the project's version control. */
async function makeProjectFolder(context: CliContext): Promise<string> {
  const { files } = context;
  const folder = projectDataDir(context);
  const ignore = `${folder}/.gitignore`;
  await files.makeDirectory(folder, 0o700);
  if ((await files.stat(ignore)) === undefined) await files.replaceFile(ignore, Buffer.from("*\n"));
  return folder;
}

async function startOrExplain(start: () => Promise<RunningServer>): Promise<RunningServer> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    throw new CliError(ExitCode.unavailable, error.message, hintFor(error));
  }
}

function hintFor({ code, part }: StartError): string {
  if (code === "start-address-in-use") {
    const [flag, example] = part === "admin" ? ["--http-port", 8026] : ["--smtp-port", 2525];
    return `Another program uses that port (another posthaste?). Use ${flag} ${example} for another port, or ${flag} 0 for a free one.`;
  }
  if (code === "start-data-dir-in-use") {
    return "`posthaste dev` is probably already running. Use --data-dir FOLDER to start another one with its own data.";
  }
  if (code === "start-address-refused") {
    return "Ports below 1024 require a privilege, and --host must be an address of this machine.";
  }
  return "Use --data-dir FOLDER to keep the data elsewhere.";
}
