/**
 * The composition root: makes the real ports, gives them to the commands, and turns what comes back into an exit code.
 * Nothing here decides anything about mail.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { makeScramVerifier, makeVerifier } from "./accounts/user-administration.ts";
import { usableControlSocket } from "./cli/control-socket.ts";
import type { CliContext, ServerApi, ServerTarget, TextInput, TextOutput } from "./cli/context.ts";
import { CliError, ExitCode } from "./cli/exit-code.ts";
import { runCli } from "./cli/run.ts";
import { type RunningServer, type ServerPlan, StartError } from "./cli/running-server.ts";
import type { DnsSettings } from "./config/server-settings.ts";
import { judgeCertificate } from "./node/tls/certificates.ts";
import { makeClientCertificate } from "./node/tls/self-signed.ts";
import { controlRequest } from "./node/http/http-control.ts";
import { homeFolder } from "./node/files/home-folder.ts";
import { launchersOf, systemProcesses, watchLaunchers } from "./node/process/launcher-watch.ts";
import { NodeFiles } from "./node/files/node-files.ts";
import { NodeNetwork } from "./node/network/node-network.ts";
import { coloursWanted, ReadableLog } from "./node/log/readable-log.ts";
import { SystemClock } from "./node/process/system-clock.ts";
import { salvageSpool } from "./node/salvage/salvage-spool.ts";
import { checkSpool } from "./node/spool/check.ts";
import { downgradeSpool } from "./node/spool/downgrade.ts";
import { packageVersion } from "./node/process/package-version.ts";
import { runProgram } from "./node/process/run-program.ts";
import { SystemRandom } from "./node/process/system-random.ts";
import { temporaryFolder } from "./node/files/temporary-folder.ts";
import { terminalInput } from "./node/process/terminal-input.ts";
import { ThreadPoolCrypto } from "./node/threads/thread-pool-crypto.ts";
import { type Log, silentLog } from "./ports/log.ts";
import { printableOutput } from "./lib/printable-text.ts";
import { NetworkError } from "./ports/network.ts";
import type { ServiceClient } from "./ports/service-client.ts";
import type { PolicyFetcher } from "./ports/policy-fetcher.ts";
import type { Resolver } from "./ports/resolver.ts";
import {
  interfaceAddresses,
  lockOrExplain,
  nodePorts,
  nodeResolver,
  openSpoolOrExplain,
} from "./server/plan/node-ports.ts";
import { prepareDataDir } from "./server/store/data-dir.ts";

const clock = new SystemClock();
const random = new SystemRandom();
const files = new NodeFiles();
const network = new NodeNetwork();
const crypto = new ThreadPoolCrypto(clock);
const version = packageVersion();
const launchers = launchersOf(process.env, systemProcesses);
/** Nobody presses Ctrl-C twice as fast on purpose. */
const sameSignalMs = 200;

/** Written by the log of the server that runs here, if one does. */
let flushLog = (): void => undefined;
let modulesLoaded = 0;
let interrupted: AbortController | undefined;

const context: CliContext = {
  version,
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr),
  stdin: terminalInput(process.stdin, process.stderr) satisfies TextInput,
  environment: process.env,
  workingDirectory: process.cwd(),
  processId: process.pid,
  runProgram: (words, environment) => runProgram(words, { environment, interrupted: interruption() }),
  temporaryFolder,
  get homeDirectory() {
    try {
      return homeFolder();
    } catch (error) {
      throw new CliError(ExitCode.unavailable, (error as Error).message, "Set HOME, or name a folder by --data-dir.");
    }
  },
  clock,
  random,
  files,
  network,
  interfaceAddresses,
  resolver: lazyResolver,
  policyFetcher: lazyPolicyFetcher,
  serviceClient: lazyServiceClient,
  // A number in the query makes Node read a changed file again.
  importModule: async (file) =>
    (await import(`${pathToFileURL(file).href}?${modulesLoaded++}`)) as Record<string, unknown>,
  judgeCertificate,
  makeClientCertificate,
  makeVerifier: (password, kind) =>
    kind === "scram" ? makeScramVerifier(password, "sha256", { crypto, random }) : makeVerifier(password, crypto),
  serverApi,
  downgradeSpool: async (dataDir, target) =>
    onIdleSpool(
      dataDir,
      () => downgradeSpool(dataDir, target),
      ({ message }) => new CliError(ExitCode.data, message),
    ),
  checkSpool: async (dataDir, progress) =>
    onIdleSpool(
      dataDir,
      () => checkSpool(dataDir, progress),
      ({ message }) => new CliError(ExitCode.data, `${dataDir}/spool.db cannot be read: ${message}`),
    ),
  salvageSpool: async (dataDir, { to, logLost }, progress) =>
    onIdleSpool(
      dataDir,
      () => salvageSpool({ from: dataDir, to, now: Math.floor(clock.now()), logLost, progress }),
      ({ message }) => new CliError(ExitCode.unavailable, message),
    ),
  startServer,
  get interrupted() {
    return interruption();
  },
  onHangup: (callback) => {
    process.on("SIGHUP", callback);
  },
};

// A reader that went away (`| head`) ends a command quietly.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(ExitCode.ok);
  throw error;
});
process.exitCode = await runCli(process.argv.slice(2), context);
flushLog();
// Whatever still holds the event loop (an idle socket of a peer, a thread) has no more to say.
process.stdout.write("", () => process.exit());

/** Work on a spool that no server has open, or may open meanwhile. */
function onIdleSpool<T>(dataDir: string, work: () => T, explained: (error: Error) => CliError): T {
  if (!existsSync(join(dataDir, "spool.db"))) throw new CliError(ExitCode.unavailable, `no spool is in ${dataDir}`);
  const lock = lockOrExplain(dataDir);
  try {
    return work();
  } catch (error) {
    throw explained(error as Error);
  } finally {
    lock.release();
  }
}

/**
 * From the first time it is asked for, the first signal aborts and the second ends the process. The end of the launcher
 * aborts too.
 */
function interruption(): AbortSignal {
  if (interrupted) return interrupted.signal;
  const controller = new AbortController();
  interrupted = controller;
  let firstAt = 0;
  for (const [name, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
  ] as const) {
    process.on(name, () => {
      const now = clock.monotonicMs();
      // timeout(1) and some service managers send one signal twice, to the process and to its group.
      if (controller.signal.aborted && now - firstAt > sameSignalMs) process.exit(128 + number);
      if (!controller.signal.aborted) firstAt = now;
      controller.abort(new Error(`stopped by ${name}`));
    });
  }
  const gone = () => controller.abort(new Error("stopped because the process that started it has ended"));
  watchLaunchers(launchers, { processes: systemProcesses, clock, gone });
  return controller.signal;
}

/** What only a server needs is loaded here: other commands should answer at once. */
async function startServer(plan: ServerPlan): Promise<RunningServer> {
  const { settings } = plan;
  const { createServer } = await import("./server/create-server.ts");
  const { log, showLog } =
    plan.mode === "production" ? { log: await productionLog(plan), showLog: undefined } : developmentLog(plan);
  const ports = await nodePorts(settings, { log, onSpoolGone: (error) => endWithoutSpool(log, error) });
  try {
    const server = await createServer(plan, ports);
    return showLog ? { ...server, showLog } : server;
  } catch (error) {
    // What keeps it from starting is told by itself; anything else wants all that is known.
    if (!(error instanceof StartError)) showLog?.();
    throw error;
  }
}

/**
 * Nothing can be accepted or recorded any more. Whoever supervises the server starts it again on all that it acknowledged;
 * staying would only answer 451 until somebody noticed.
 */
function endWithoutSpool(log: Log, error: Error): void {
  log.event("spool-thread-gone", { error: error.message });
  flushLog();
  process.exit(ExitCode.software);
}

async function productionLog({ settings }: ServerPlan): Promise<Log> {
  const { JsonLog } = await import("./node/log/json-log.ts");
  const { log, flush } = JsonLog.open({ level: settings.log.level });
  flushLog = flush;
  return log;
}

/** Held back until `showLog`: the screen comes first. */
function developmentLog({ quietLog = false }: ServerPlan): { readonly log: Log; readonly showLog: () => void } {
  let held: string[] | undefined = [];
  const log = new ReadableLog({
    level: "info",
    clock,
    write: (text) => void (held ? held.push(text) : process.stderr.write(text)),
    colours: coloursWanted(process.stderr, process.env),
    quiet: quietLog,
  });
  const showLog = () => {
    const lines = held ?? [];
    held = undefined;
    process.stderr.write(lines.join(""));
  };
  return { log, showLog };
}

/** The API of the server that runs on the data directory, or the same API over the spool, held by this command. */
async function serverApi(target: ServerTarget): Promise<ServerApi> {
  const { dataDir } = target;
  const socket = usableControlSocket(dataDir);
  try {
    await controlRequest(socket, "/healthz");
    return {
      running: true,
      request: (path, init) => controlRequest(socket, path, init),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
    if (error.code !== "ENOENT" && error.code !== "ECONNREFUSED") {
      const hint = error.code === "EACCES" ? "It belongs to another user; try it as that user." : undefined;
      throw new CliError(ExitCode.unavailable, `${socket} cannot be reached (${error.code})`, hint);
    }
  }
  if (target.serverOnly) {
    throw new CliError(ExitCode.unavailable, `no server runs on ${dataDir}`, "Start it first: posthaste dev.");
  }
  // What opening finds is for the server's log; a command speaks for itself.
  const log = silentLog;
  if (!existsSync(join(dataDir, "spool.db"))) {
    if (!target.mayCreate || !target.settings) {
      const hint = target.settings
        ? "`posthaste serve` starts it."
        : "Name the server meant by --config FILE or --data-dir FOLDER, or start one: posthaste dev.";
      throw new CliError(ExitCode.unavailable, `no server runs on ${dataDir}, and none has yet`, hint);
    }
    await prepareDataDir(dataDir, { files, log });
  }
  const { openOfflineApi } = await import("./server/offline/offline-api.ts");
  const { openReadingThread } = await import("./server/http-side/open-reading-thread.ts");
  becomeOwnerOf(dataDir);
  const lock = lockOrExplain(dataDir);
  const spool = await openSpoolOrExplain({ directory: dataDir, clock, files, log });
  const reading = openReadingThread();
  return openOfflineApi(target, { spool, lock, files, clock, crypto, random, log, version, reading });
}

/** What root writes in a data directory of the server's user would be unusable for that server. */
function becomeOwnerOf(dataDir: string): void {
  const owner = statSync(dataDir, { throwIfNoEntry: false });
  if (process.geteuid?.() !== 0 || owner === undefined || owner.uid === 0) return;
  process.setgroups?.([owner.gid]);
  process.setgid?.(owner.gid);
  process.setuid?.(owner.uid);
}

/** For commands that look something up themselves; made only when it is asked. */
function lazyResolver(dns: Partial<DnsSettings> = {}): Resolver {
  const made = nodeResolver(dns, { log: silentLog, clock, random, files });
  return { query: async (name, type, options) => (await made).query(name, type, options) };
}

function lazyPolicyFetcher(asked: Resolver): PolicyFetcher {
  const made = import("./node/http/node-policy-fetcher.ts");
  return {
    fetch: async (host, path, options) => {
      const { NodePolicyFetcher } = await made;
      // An operator asks about a domain, perhaps one of a closed network.
      return await new NodePolicyFetcher({ resolver: asked }).fetch(host, path, { ...options, allowPrivate: true });
    },
  };
}

function lazyServiceClient(asked: Resolver): ServiceClient {
  const made = import("./node/http/node-service-client.ts");
  return {
    request: async (request, options) => {
      const { NodeServiceClient } = await made;
      return await new NodeServiceClient({ resolver: asked }).request(request, options);
    },
  };
}

function outputOf(stream: NodeJS.WriteStream): TextOutput {
  return {
    isTerminal: stream.isTTY,
    get columns() {
      return stream.columns || 80;
    },
    write: (text) => void stream.write(typeof text === "string" ? printableOutput(text) : text),
  };
}
