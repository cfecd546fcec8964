/** `posthaste dev`: the test inbox. It is the production server with the network captured. */
import { resolve } from "node:path";
import { developmentSettings } from "../../config/development-settings.ts";
import type { Command } from "../command.ts";
import type { CliContext } from "../context.ts";
import { dataDirOption, devDataDir } from "../data-dir.ts";
import { CliError, ExitCode, usageError } from "../exit-code.ts";
import { type RunningServer, StartError } from "../running-server.ts";
import { placeOf } from "../send/send-session.ts";
import { printable } from "../../lib/printable-text.ts";
import { styleFor } from "../style.ts";
import { type FirstMessage, sendFirstMessage } from "./first-message.ts";
import { aborted } from "./serve-command.ts";

export const devCommand: Command = {
  name: "dev",
  summary: "run a test inbox: everything sent to it is captured, nothing leaves this machine",
  description:
    "Listens on loopback only; takes any login and any recipient. Offers no TLS unless asked to, since clients refuse the\n" +
    "self-signed certificate. Captured mail is kept in\n" +
    "$XDG_STATE_HOME/posthaste-dev (~/.local/state/posthaste-dev) over restarts; `posthaste inbox` reads it.",
  options: [
    { name: "smtp-port", value: "PORT", summary: "default 1025; 0 takes a free one" },
    { name: "http-port", value: "PORT", summary: "default 8025; 0 takes a free one" },
    {
      name: "tls-port",
      value: "PORT",
      summary: "take SMTP with TLS from the first octet on PORT, too; 0 takes a free one",
    },
    { name: "starttls", summary: "offer STARTTLS, with a self-signed certificate" },
    { name: "no-starttls", summary: "the default; accepted for older scripts" },
    { name: "no-welcome", summary: "send no first message; without it an empty inbox gets one" },
    { ...dataDirOption, summary: "keep spool and captured mail in FOLDER" },
  ],
  positionals: [],
  examples: [
    { line: "posthaste dev", does: "SMTP on 1025, HTTP on 8025" },
    { line: "posthaste dev --smtp-port 2525 --http-port 8026 --data-dir ./mail", does: "where those are taken" },
    { line: "posthaste dev --starttls --tls-port 1465", does: "for an application that demands TLS" },
  ],
  run: async (given, context) => {
    const port = (name: string, usual: number) => given.number(name, { min: 0, max: 65_535 }) ?? usual;
    const { interrupted } = context;
    const folder = given.text("data-dir");
    const dataDir = folder === undefined ? devDataDir(context) : resolve(context.workingDirectory, folder);
    const startTls = given.flag("starttls");
    if (startTls && given.flag("no-starttls")) throw usageError("--starttls and --no-starttls exclude each other");
    const settings = developmentSettings({
      dataDir,
      host: "127.0.0.1",
      smtpPort: port("smtp-port", 1025),
      httpPort: port("http-port", 8025),
      tlsPort: given.number("tls-port", { min: 0, max: 65_535 }),
    });
    const server = await startOrExplain(() => context.startServer({ settings, mode: "development", startTls }));
    const first = given.flag("no-welcome") ? undefined : await sendFirstMessage(server, dataDir, context);
    context.stdout.write(devScreen({ server, dataDir, startTls, first, context }));
    server.showLog?.();
    await aborted(interrupted);
    await server.stop();
    return ExitCode.ok;
  },
};

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
    return `Another program uses that port (another posthaste?). ${flag} ${example} takes another one, ${flag} 0 a free one.`;
  }
  if (code === "start-data-dir-in-use") {
    return "Probably `posthaste dev` runs already. --data-dir FOLDER starts another one with data of its own.";
  }
  if (code === "start-address-refused")
    return "--smtp-port and --http-port take ports from 1024 upwards without a privilege.";
  return "--data-dir FOLDER keeps the data elsewhere.";
}

function devScreen(shown: {
  readonly server: RunningServer;
  readonly dataDir: string;
  readonly startTls: boolean;
  readonly first: FirstMessage | undefined;
  readonly context: CliContext;
}): string {
  const { server, dataDir, startTls, first, context } = shown;
  const { bold, dim, green, cyan, yellow } = styleFor(context.stdout, context.environment);
  const smtp = server.listeners[0]?.endpoint;
  const [host, port] = smtp?.kind === "ip" ? [smtp.address, String(smtp.port)] : ["", ""];
  const tls = server.listeners.find(({ kind }) => kind === "submissions")?.endpoint;
  const http = `http://${placeOf(server.admin)}`;
  const program = context.environment["POSTHASTE_PROGRAM"] ?? "posthaste";
  const lines = [
    "",
    `${green("●")} ${bold("Posthaste is ready.")} What you send here is captured; nothing leaves this machine.`,
    "",
    `  ${dim("SMTP")}   ${bold(`${host}:${port}`)}   any login, any recipient; in clear${startTls ? " or with STARTTLS" : ""}`,
    ...(tls ? [`  ${dim("SMTPS")}  ${bold(placeOf(tls))}   the same with TLS from the first octet`] : []),
    `  ${dim("HTTP")}   ${bold(`${http}/api/v1/inbox`)}`,
    `  ${dim("Data")}   ${dataDir}`,
    "",
    `  ${dim("For your application:")}`,
    `    ${cyan(`SMTP_HOST=${host}`)}`,
    `    ${cyan(`SMTP_PORT=${port}`)}`,
    ...(startTls || tls
      ? [
          `  ${dim("If it refuses the self-signed certificate, in Node:")}`,
          `    ${cyan(`NODE_EXTRA_CA_CERTS=${dataDir}/tls/self-signed.crt`)}`,
        ]
      : []),
    "",
  ];
  if (first?.kind === "arrived") {
    lines.push(
      `  ${green("✓")} A first message went the whole way: SMTP in ${Math.round(first.acceptedMs)} ms, durable and queued as ${first.queueId},`,
      `    routed, and captured ${Math.round(first.capturedMs)} ms later.`,
      "",
    );
  } else if (first) {
    lines.push(`  ${yellow("!")} The first message did not arrive: ${printable(first.reason)}`, "");
  }
  lines.push(
    `  ${dim("Read, and wait in tests:")}`,
    `    ${program} inbox list`,
    `    curl '${http}/api/v1/inbox/wait?to=ann@example.org&timeout=30s'`,
    `  ${dim("Send one:")}`,
    `    ${program} send --server ${host}:${port} --from you@example.org --to ann@example.org`,
    "",
    `  ${dim("Ctrl-C stops it; captured mail stays. The log follows.")}`,
    "",
    "",
  );
  return lines.join("\n");
}
