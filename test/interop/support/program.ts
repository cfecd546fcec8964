/** Starts a real program for a test and makes sure that it is gone afterwards. */
import { type ChildProcess, spawn } from "node:child_process";
import { connect } from "node:net";

/** Where `scripts/install-peers.sh` unpacks the mail servers that exclude each other as packages. */
export const peersFolder = process.env["POSTHASTE_PEERS"] ?? "/var/tmp/posthaste-peers";

export interface Program extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  output(): string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export function startProgram(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Program {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString("latin1")).slice(-1_000_000);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", (error) => {
      output += `\n${error.message}`;
      resolve();
    });
  });
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    const hard = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await exited;
    clearTimeout(hard);
  };
  return { child, output: () => output, stop, [Symbol.asyncDispose]: () => stop() };
}

/** Runs a program to its end; rejects when it takes longer than two minutes. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: { readonly input?: string | Buffer; readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): Promise<{ readonly status: number | null; readonly output: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number | null; output: string }>();
  const child = spawn(command, args, {
    stdio: ["pipe", "pipe", "pipe"],
    timeout: 120_000,
    ...(options.env && { env: options.env }),
    ...(options.cwd && { cwd: options.cwd }),
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("latin1")));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString("latin1")));
  child.once("error", reject);
  child.once("close", (status) => resolve({ status, output }));
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  return promise;
}

/** Resolves when something accepts connections on the port; tells what the program printed when nothing does. */
export async function untilListening(port: number, program?: Program): Promise<void> {
  await until(`a listener on port ${port}`, () => accepts(port), program);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Polls until `condition` holds; the bound only ends a test that would hang. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  program?: Program,
  seconds = 60,
): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}\n${program?.output() ?? ""}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
