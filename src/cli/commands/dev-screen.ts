/** What `posthaste dev` shows when it serves: a screen for people, a line of JSON for scripts, variables for a program. */
import { printable } from "../../lib/printable-text.ts";
import type { Endpoint } from "../../lib/endpoint.ts";
import type { CliContext } from "../context.ts";
import type { RunningServer } from "../running-server.ts";
import { placeOf } from "../send/send-session.ts";
import { styleFor } from "../style.ts";
import type { FirstMessage } from "./first-message.ts";

export interface DevInbox {
  readonly server: RunningServer;
  readonly dataDir: string;
  readonly startTls: boolean;
  /** Other commands find it without --data-dir. */
  readonly folderIsUsual: boolean;
  readonly first: FirstMessage | undefined;
  readonly context: CliContext;
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/** One line. Fields are added, never changed. */
export function devJson({ server, dataDir, startTls, context }: DevInbox): string {
  const { smtp, smtps, url } = placesOf(server);
  const certificate = startTls || smtps ? `${dataDir}/tls/self-signed.crt` : undefined;
  const facts = { smtp, smtps, starttls: startTls, http: url, data_dir: dataDir, certificate, pid: context.processId };
  return `${JSON.stringify(facts)}\n`;
}

/** What a program finds in its environment. */
export function devVariables(server: RunningServer, dataDir: string): Readonly<Record<string, string>> {
  const { smtp, url } = placesOf(server);
  return {
    SMTP_HOST: smtp.host,
    SMTP_PORT: String(smtp.port),
    POSTHASTE_URL: url,
    POSTHASTE_DATA_DIR: dataDir,
  };
}

function placesOf({ listeners, admin }: RunningServer) {
  const tls = listeners.find(({ kind }) => kind === "submissions")?.endpoint;
  return {
    smtp: reachable(listeners[0]?.endpoint),
    smtps: tls === undefined ? undefined : reachable(tls),
    url: `http://${textOf(reachable(admin))}`,
  };
}

/** Where programs of this machine connect to: a server that listens everywhere is on loopback, too. */
function reachable(endpoint: Endpoint | undefined): Place {
  if (endpoint?.kind !== "ip") return { host: "", port: 0 };
  const { address, port } = endpoint;
  return { host: address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address, port };
}

function textOf({ host, port }: Place): string {
  return placeOf({ kind: "ip", address: host, port });
}

export function devScreen(shown: DevInbox): string {
  const { server, dataDir, startTls, first, context } = shown;
  const { bold, dim, green, cyan, yellow } = styleFor(context.stdout, context.environment);
  const { smtp, smtps, url } = placesOf(server);
  const program = context.environment["POSTHASTE_PROGRAM"] ?? "posthaste";
  const everywhere = server.admin.kind === "ip" && !isLoopback(server.admin.address);
  const lines = [
    "",
    `${green("●")} ${bold("Posthaste is ready.")} It captures what you send; nothing leaves this machine.`,
    "",
    `  ${dim("SMTP")}   ${bold(textOf(smtp))}   any login, any recipient; without TLS${startTls ? " or with STARTTLS" : ""}`,
    ...(smtps ? [`  ${dim("SMTPS")}  ${bold(textOf(smtps))}   the same over implicit TLS`] : []),
    `  ${dim("HTTP")}   ${bold(`${url}/api/v1/inbox`)}`,
    `  ${dim("Data")}   ${dataDir}`,
    "",
    `  ${dim("For your application:")}`,
    `    ${cyan(`SMTP_HOST=${smtp.host}`)}`,
    `    ${cyan(`SMTP_PORT=${smtp.port}`)}`,
    ...(startTls || smtps
      ? [
          `  ${dim("If it refuses the self-signed certificate, in Node:")}`,
          `    ${cyan(`NODE_EXTRA_CA_CERTS=${dataDir}/tls/self-signed.crt`)}`,
        ]
      : []),
    "",
  ];
  if (everywhere) {
    lines.push(
      `  ${yellow("!")} Anyone who can reach ${printable(placeOf(server.admin))} can read the captured mail.`,
      "",
    );
  }
  if (first?.kind === "arrived") {
    lines.push(
      `  ${green("✓")} A first message took the whole path: SMTP in ${Math.round(first.acceptedMs)} ms, durable and queued as ${first.queueId},`,
      `    routed, and captured ${Math.round(first.capturedMs)} ms later.`,
      "",
    );
  } else if (first) {
    lines.push(`  ${yellow("!")} The first message did not arrive: ${printable(first.reason)}`, "");
  }
  lines.push(
    `  ${dim("Read mail, or wait for it in tests:")}`,
    `    ${program} inbox list${shown.folderIsUsual ? "" : ` --data-dir ${dataDir}`}`,
    `    curl '${url}/api/v1/inbox/wait?to=ann@example.org&timeout=30s'`,
    `  ${dim("Send one:")}`,
    `    ${program} send --server ${textOf(smtp)} --from you@example.org --to ann@example.org`,
    "",
    `  ${dim("Ctrl-C stops the server; captured mail is kept. The log follows.")}`,
    "",
    "",
  );
  return lines.join("\n");
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}
