/** `posthaste serve` as a process of its own, known by what it logs: ports are the system's choice, nothing is polled. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { NodeNetwork } from "../../src/node/network/node-network.ts";
import { Client } from "./support.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

export type LoggedEvent = Readonly<Record<string, unknown>> & { readonly event: string };

export interface SpawnOptions {
  /** A program that becomes this one in the end: `exec "$@"`. */
  readonly wrap?: readonly string[];
  readonly nodeOptions?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** One data directory and its configuration, with the processes that were started on it. */
export class ServerFolder implements AsyncDisposable {
  readonly path: string;
  readonly #processes: ServerProcess[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<ServerFolder> {
    return new ServerFolder(await mkdtemp(join(tmpdir(), "posthaste-process-")));
  }

  get dataDir(): string {
    return join(this.path, "data");
  }

  get controlSocket(): string {
    return join(this.dataDir, "control.sock");
  }

  /** TOML beyond the listener, the domain example.org with its user ann, and the rest that every test needs. */
  async configure(more = ""): Promise<void> {
    await this.writeConfiguration(`
      ${more.startsWith("[") ? "" : more}
      hostname = "mail.example.org"
      data_dir = "${this.dataDir}"
      [[listener]]
      kind = "mx"
      listen = "127.0.0.1:0"
      [[domain]]
      name = "example.org"
      [[user]]
      address = "ann@example.org"
      [relay]
      networks = ["127.0.0.1"]
      [admin]
      listen = "127.0.0.1:0"
      ${more.startsWith("[") ? more : ""}
    `);
  }

  async writeConfiguration(text: string): Promise<void> {
    await writeFile(join(this.path, "posthaste.toml"), text);
  }

  /** Does not wait until it serves, and perhaps it never will. */
  spawn(options: SpawnOptions = {}): ServerProcess {
    const process = new ServerProcess(["serve", "--config", join(this.path, "posthaste.toml")], options);
    this.#processes.push(process);
    return process;
  }

  async start(options: SpawnOptions = {}): Promise<ServerProcess> {
    const process = this.spawn(options);
    await process.event("server-started");
    return process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#processes) await process.kill("SIGKILL");
    await rm(this.path, { recursive: true, force: true });
  }
}

export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #events: LoggedEvent[] = [];
  #waiting: (() => void)[] = [];
  #over = false;
  /** Everything on standard error. */
  errors = "";

  constructor(args: readonly string[], { wrap = [], nodeOptions = [], environment = {} }: SpawnOptions = {}) {
    const [command = "", ...rest] = [...wrap, process.execPath, ...nodeOptions, main, ...args];
    const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...environment } });
    this.#child = child;
    const { stdout, stderr } = child;
    createInterface({ input: stdout }).on("line", (line) => {
      this.#events.push(JSON.parse(line) as LoggedEvent);
      this.#wake();
    });
    stderr.on("data", (bytes: Buffer) => (this.errors += bytes.toString()));
    // "close" comes after the last line of both.
    this.#exited = new Promise((resolve) => {
      child.once("close", () => {
        this.#over = true;
        this.#wake();
        resolve();
      });
    });
  }

  /** The `count`th event of this name, waited for; fails when the process ends without it. */
  async event(name: string, count = 1): Promise<LoggedEvent> {
    for (;;) {
      const found = this.of(name)[count - 1];
      if (found !== undefined) return found;
      if (this.#over) assert.fail(`the process ended without ${name}: ${this.errors}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Resolves with whatever is logged next; fails when the process ends. */
  async nextEvent(): Promise<void> {
    if (this.#over) assert.fail(`the process ended: ${this.errors}`);
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  of(name: string): readonly LoggedEvent[] {
    return this.#events.filter(({ event }) => event === name);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The exit code, or the signal that ended it. */
  async ended(): Promise<number | string> {
    await this.#exited;
    return this.#child.exitCode ?? this.#child.signalCode ?? "";
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    if (!this.#over) this.signal(signal);
    await this.#exited;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Greeted, and EHLO said; gives its reply too. */
  async client(): Promise<{ readonly client: Client; readonly hello: string }> {
    const { address } = await this.event("listener-opened");
    const port = Number(String(address).split(":").at(-1));
    const connection = await new NodeNetwork().connect({ kind: "ip", address: "127.0.0.1", port }, {});
    const client = new Client(connection);
    assert.match(await client.reply(), /^220 /);
    return { client, hello: await client.expect("EHLO client.test", "250") };
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
