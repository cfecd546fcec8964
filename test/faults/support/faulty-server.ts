/**
 * A real server on a disk, with limits and with a clock that a test can spoil. What is mounted is mounted in a namespace
 * of the server's own, so it is gone with the server, however the test ends.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { NodeFiles } from "../../../src/node/files/node-files.ts";
import { openSqliteSpool } from "../../../src/node/spool/open-sqlite-spool.ts";
import { CollectingLog } from "../../../src/testing/collecting-log.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import { contentOf } from "../../contract/spool-fixture.ts";
import { ServerFolder, type ServerProcess, type SpawnOptions } from "../../system/server-process.ts";
import type { Client } from "../../system/support.ts";

export const run = promisify(execFile);

/** Given to `node:test` as `skip`: false, or why these tests cannot run here. */
export const skip: string | false =
  process.platform === "linux" && process.getuid?.() === 0 ? false : "needs Linux and root, to mount in a namespace";

export const trouble = new URL("trouble.ts", import.meta.url).href;

/** Keeps what it accepts: mail for others goes to where nobody answers. */
export const away = `
  [[route]]
  domain = "away.test"
  via = "relay"
  host = "127.0.0.1:1"
`;

export interface FaultOptions {
  /** Options of the tmpfs that becomes the data directory. */
  readonly tmpfs?: string;
  /** A command that mounts something else there. Without either, it is a folder of the disk. */
  readonly mount?: string;
  /** As the shell says it: `ulimit -n 64`. */
  readonly limit?: string;
  readonly nodeOptions?: readonly string[];
  /** Sections after those of `ServerFolder.configure`; by default mail for others waits. */
  readonly configuration?: string;
  /** Instead of a disk that may be filled to the last octet. */
  readonly limits?: string;
  /** What `trouble.ts` is to do on SIGUSR2. */
  readonly trouble?: string;
  /** A tracer of system calls, which can also make them fail. */
  readonly tracer?: readonly string[];
}

export class FaultyServer implements AsyncDisposable {
  readonly folder: ServerFolder;
  readonly #options: FaultOptions;
  #process: ServerProcess;
  /** Content by id of everything that was answered 250, for people elsewhere. */
  readonly accepted = new Map<string, string>();

  private constructor(folder: ServerFolder, process: ServerProcess, options: FaultOptions) {
    this.folder = folder;
    this.#process = process;
    this.#options = options;
  }

  static async start(options: FaultOptions = {}): Promise<FaultyServer> {
    const folder = await ServerFolder.make();
    await folder.configure(
      `${(options.configuration ?? away).trim()}\n[limits]\n${options.limits ?? 'free_space = "0"'}`,
    );
    mkdirSync(folder.dataDir, { mode: 0o700 });
    try {
      return new FaultyServer(folder, await folder.start(spawnOptions(folder, options)), options);
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  get process(): ServerProcess {
    return this.#process;
  }

  /** On what is in the data directory by now; without its limits where asked. */
  async restart(options: FaultOptions = this.#options): Promise<void> {
    await this.#process.kill("SIGKILL");
    this.#process = await this.folder.start(spawnOptions(this.folder, options));
  }

  /** A path as the server sees it. */
  inside(path: string): string {
    return join(`/proc/${this.#process.pid}/root`, path);
  }

  /** A command among the server's mounts. */
  async beside(...command: readonly string[]): Promise<void> {
    await run("nsenter", ["-t", `${this.#process.pid}`, "-m", ...command]);
  }

  async client(): Promise<Client> {
    return (await this.#process.client()).client;
  }

  /** What somebody hears who connects now: the first line, or "" where the server closes without one. */
  async greeting(): Promise<string> {
    const { address } = await this.#process.event("listener-opened");
    const socket = connect(Number(String(address).split(":").at(-1)), "127.0.0.1");
    try {
      return await new Promise((resolve) => {
        socket.once("data", (bytes: Buffer) => resolve(bytes.toString("latin1")));
        socket.once("close", () => resolve(""));
        socket.once("error", () => resolve(""));
      });
    } finally {
      socket.destroy();
    }
  }

  /** The answer to a probe. */
  async readiness(): Promise<{ readonly status: number; readonly causes: readonly Record<string, unknown>[] }> {
    const { admin } = await this.#process.event("server-started");
    const response = await fetch(`http://${String(admin)}/readyz`);
    const { causes = [] } = (await response.json()) as { readonly causes?: readonly Record<string, unknown>[] };
    return { status: response.status, causes };
  }

  /** Sends a message to somebody elsewhere; gives the last reply, whatever it is. */
  async offer(client: Client, octets: number, to = "far@away.test"): Promise<string> {
    // Named, so that it is known again; lines of an ordinary length.
    const content = `Subject: ${++offered}\r\n\r\n${`${"x".repeat(78)}\r\n`.repeat(Math.ceil(octets / 80))}`;
    client.write(`MAIL FROM:<ann@sender.test>\r\n`);
    const mail = await client.reply();
    if (!mail.startsWith("250")) return mail;
    client.write(`RCPT TO:<${to}>\r\n`);
    const rcpt = await client.reply();
    if (!rcpt.startsWith("250")) return (await client.expect("RSET", "250"), rcpt);
    await client.expect("DATA", "354");
    await client.writeAll(Buffer.from(`${content}.\r\n`));
    const reply = await client.reply();
    const id = /^250 .*queued as (\w{12})$/.exec(reply)?.[1];
    if (id !== undefined && to.endsWith("@away.test")) this.accepted.set(id, content);
    return reply;
  }

  /** Small messages until one is refused; gives that reply. */
  async fill(client: Client, octets: number): Promise<string> {
    for (let count = 0; count < 1000; count++) {
      const reply = await this.offer(client, octets);
      if (!reply.startsWith("250")) return reply;
    }
    return assert.fail("it was never full");
  }

  /**
   * Ends the server as a crash does, opens what it leaves, and finds every message that it answered 250, whole. Nothing
   * else is there.
   */
  async assertNothingLost(): Promise<void> {
    const copy = join(this.folder.path, "left");
    this.#process.signal("SIGSTOP");
    const data = this.inside(this.folder.dataDir);
    // Where the process is gone already, its own mounts are too: then the disk as it is.
    copyData(existsSync(data) ? data : this.folder.dataDir, copy);
    await this.#process.kill("SIGKILL");
    const log = new CollectingLog();
    const spool = await openSqliteSpool({ directory: copy, clock: new ManualClock(), files: new NodeFiles(), log });
    try {
      assert.deepEqual((await spool.checked).damaged, []);
      const ids = (await spool.find({}, { limit: 10_000 })).map(({ message }) => message.id);
      assert.deepEqual(ids.toSorted(), [...this.accepted.keys()].toSorted());
      for (const [id, content] of this.accepted) {
        const kept = (await contentOf(spool, id))?.toString("latin1");
        assert.ok(kept === content, `${id} is whole`);
      }
    } finally {
      await spool.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A stopped process would not hear anything else.
    await this.#process.kill("SIGKILL");
    await this.folder[Symbol.asyncDispose]();
  }
}

let offered = 0;

function spawnOptions(folder: ServerFolder, options: FaultOptions): SpawnOptions {
  const { tmpfs, limit = ":", nodeOptions = [], trouble: what } = options;
  const mount =
    options.mount ?? (tmpfs === undefined ? undefined : `mount -t tmpfs -o mode=0700,${tmpfs} none ${folder.dataDir}`);
  const inNamespace = mount === undefined ? [] : ["unshare", "--mount", "--propagation", "private"];
  return {
    wrap: [...inNamespace, "sh", "-c", `${mount ?? ":"} && ${limit} && exec "$@"`, "sh", ...(options.tracer ?? [])],
    nodeOptions: [...nodeOptions, ...(what === undefined ? [] : ["--import", trouble])],
    ...(what !== undefined && { environment: { TROUBLE: what } }),
  };
}

function copyData(from: string, to: string): void {
  for (const name of ["spool.db-wal", "spool.db", "content"]) {
    if (existsSync(join(from, name))) cpSync(join(from, name), join(to, name), { recursive: true });
  }
}
