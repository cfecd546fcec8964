/** A whole server over real sockets, a real folder, SQLite in its thread and real TLS; ports are the system's choice. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunningServer } from "../../src/cli/running-server.ts";
import { createServer } from "../../src/server/create-server.ts";
import type { ServerPorts } from "../../src/server/plan/server-ports.ts";
import { type SettingsInput, settingsSchema } from "../../src/config/settings-schema.ts";
import { lockDataDir } from "../../src/node/files/data-dir-lock.ts";
import { serveHttp } from "../../src/node/http/http-server.ts";
import { NodeFiles } from "../../src/node/files/node-files.ts";
import { NodeNetwork } from "../../src/node/network/node-network.ts";
import { openSqliteSpool } from "../../src/node/spool/open-sqlite-spool.ts";
import { SystemClock } from "../../src/node/process/system-clock.ts";
import { SystemRandom } from "../../src/node/process/system-random.ts";
import { ThreadPoolCrypto } from "../../src/node/threads/thread-pool-crypto.ts";
import type { CertificatePair } from "../../src/ports/certificates.ts";
import type { Files } from "../../src/ports/files.ts";
import { CollectingLog } from "../../src/testing/collecting-log.ts";
import { StaticResolver } from "../../src/testing/static-resolver.ts";
import { Client } from "./support.ts";

export const tlsOptions = { serverName: "mail.example.org", demand: { kind: "required" } } as const;

const kinds = ["mx", "submission", "submissions"] as const;
type Kind = (typeof kinds)[number];

export class RealServer implements AsyncDisposable {
  readonly log = new CollectingLog();
  readonly network = new NodeNetwork();
  readonly folder: string;
  readonly #clock = new SystemClock();
  readonly #clients: Client[] = [];
  #server: RunningServer | undefined;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async start(
    input: Partial<SettingsInput> = {},
    files?: Files,
    ports?: Partial<ServerPorts>,
  ): Promise<RealServer> {
    const server = new RealServer(await mkdtemp(join(tmpdir(), "posthaste-system-")));
    await server.start(input, files, ports);
    return server;
  }

  get dataDir(): string {
    return join(this.folder, "data");
  }

  /** Also after a stop, on what the server before left. */
  async start(
    input: Partial<SettingsInput> = {},
    files: Files = new NodeFiles(),
    ports: Partial<ServerPorts> = {},
  ): Promise<void> {
    const settings = settingsSchema.parse({
      hostname: "mail.example.org",
      data_dir: this.dataDir,
      listener: kinds.map((kind) => ({ kind, listen: "127.0.0.1:0" })),
      domain: [{ name: "example.org" }],
      user: [{ address: "ann@example.org" }],
      relay: { networks: ["127.0.0.1"] },
      admin: { listen: "127.0.0.1:0" },
      limits: { free_space: "0" },
      ...input,
    });
    const clock = this.#clock;
    const { log } = this;
    this.#server = await createServer(
      { settings, mode: "production" },
      {
        version: "1.2.3",
        clock,
        random: new SystemRandom(),
        crypto: new ThreadPoolCrypto(clock),
        network: this.network,
        files,
        resolver: new StaticResolver(),
        log,
        interfaceAddresses: () => ["127.0.0.1"],
        lock: lockDataDir,
        openSpool: (directory) => openSqliteSpool({ directory, clock, files, log }),
        serveHttp,
        ...ports,
      },
    );
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.connection.destroy();
    await this.#server?.stop();
    this.#server = undefined;
  }

  port(kind: Kind): number {
    const endpoint = this.#server?.listeners.find((listener) => listener.kind === kind)?.endpoint;
    return endpoint?.kind === "ip" ? endpoint.port : assert.fail(`no ${kind} listener`);
  }

  /** Of `admin.listen`. */
  get adminUrl(): string {
    const endpoint = this.#server?.admin;
    return endpoint?.kind === "ip" ? `http://${endpoint.address}:${endpoint.port}` : assert.fail("no admin address");
  }

  /** Greeted, and EHLO said. */
  async client(kind: Kind = "mx", certificate?: CertificatePair): Promise<Client> {
    const tls = { ...tlsOptions, ...(certificate && { certificate }) };
    const connection = await this.network.connect(
      { kind: "ip", address: "127.0.0.1", port: this.port(kind) },
      kind === "submissions" ? { tls } : {},
    );
    const client = new Client(connection);
    this.#clients.push(client);
    assert.match(await client.reply(), /^220 /);
    await client.expect("EHLO client.test", "250");
    return client;
  }

  /** Fields of the first event of this name from now on, or of one that was already; waits for it. */
  async event(name: Parameters<CollectingLog["of"]>[0], count = 1) {
    while (this.log.of(name).length < count) await new Promise<void>((resolve) => setImmediate(resolve));
    return this.log.of(name)[count - 1] ?? assert.fail();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
