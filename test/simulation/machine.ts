/**
 * The machine that our server runs on, with its disk, its network address and its DNS, in simulated time; and the server
 * on it, which can be started, stopped, reloaded, killed, and lose its power.
 */
import { createHash } from "node:crypto";
import type { ReloadResult, RunningServer } from "../../src/cli/running-server.ts";
import { openServer } from "../../src/server/create-server.ts";
import type { ServerPorts } from "../../src/server/plan/server-ports.ts";
import { type Settings, type SettingsInput, settingsSchema } from "../../src/config/settings-schema.ts";
import type { EventName } from "../../src/events/catalogue.ts";
import type { Log, LogFields } from "../../src/ports/log.ts";
import type { Network } from "../../src/ports/network.ts";
import { DnsResolver } from "../../src/node/dns/dns-resolver.ts";
import { type JournalFormat, newestFormat } from "../../src/testing/spool/journal-format.ts";
import { JournalSpool } from "../../src/testing/spool/journal-spool.ts";
import { downgradeJournal, journalFormatOf } from "../../src/testing/spool/journal.ts";
import type { Spool } from "../../src/spool/spool.ts";
import { HinderedParts } from "../../src/testing/hindered-parts.ts";
import { Incarnation } from "../../src/testing/incarnation.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SimulatedFiles } from "../../src/testing/simulated-files.ts";
import { SimulatedNetwork } from "../../src/testing/simulated-network.ts";
import { SimulatedDns } from "../../src/testing/simulated-dns.ts";
import { TestCrypto } from "../../src/testing/test-crypto.ts";
import { TestMeasures } from "../../src/testing/test-measures.ts";
import { Chance } from "./chance.ts";
import { SessionsOut } from "./sessions-out.ts";
import { SleepingClock } from "./sleeping-clock.ts";
import { SqliteStore } from "./stores.ts";
import { TlsWorld } from "./tls-world.ts";
import { type SpoolWatcher, WatchedSpool } from "./watched-spool.ts";
import { tapped } from "./wire-tap.ts";
import { dnsShape, serverAddress } from "./world.ts";

const dataDir = "/data";
const spoolDir = `${dataDir}/journal`;

export interface LoggedEvent {
  readonly at: number;
  /** On the world's monotonic clock, where that is another time. */
  readonly realMs: number;
  readonly name: EventName;
  readonly fields: LogFields;
}

/** As it is compared between runs. */
export function lineOf(event: LoggedEvent): string {
  // The key of a certificate that the server makes for itself is nobody's to foresee.
  const { fingerprint: _, ...fields } = event.fields;
  return JSON.stringify({ ...event, fields }, (_name, value: unknown) =>
    value instanceof Error ? String(value) : value,
  );
}

export interface ClaimedAttempt {
  readonly number: number;
  /** When it was asked for, and when the disk had it. */
  readonly from: number;
  readonly to: number;
}

export interface Reload {
  readonly from: number;
  to: number;
  refused: boolean;
  readonly route: NonNullable<SettingsInput["route"]>;
}

/** What a reload reads when its turn comes. */
interface Asked {
  readonly settings: Settings;
  /** Some part of the server refuses it. */
  readonly inVain: boolean;
}

export class Machine {
  /** The world's. */
  readonly clock = new ManualClock();
  /** What our server sees of it. */
  readonly #ownClock = new SleepingClock(this.clock);
  readonly network: SimulatedNetwork;
  readonly files: SimulatedFiles;
  readonly dns: SimulatedDns;
  /** Of all lives. */
  readonly events: LoggedEvent[] = [];
  /** When a life ended that had no time to finish. */
  readonly deaths: number[] = [];
  /** From when to when, in monotonic time, a server ran. */
  readonly lives: { readonly from: number; to: number }[] = [];
  /** From when to when, in monotonic time, the machine slept. */
  readonly sleeps: { readonly from: number; to: number }[] = [];
  /** Connections that were asked for. */
  readonly dialled: { readonly at: number; readonly address: string }[] = [];
  readonly sessionsOut = new SessionsOut();
  /** Starts and reloads: asked for, in force (never, where the server refused it or was down), and with which routes. */
  readonly reloads: Reload[] = [];
  /** Attempts that the schedule gave out, of all lives, by recipient. */
  readonly claims = new Map<string, ClaimedAttempt[]>();
  /** Which program is installed: the newest format of the spool that it knows. */
  program: JournalFormat;
  /** Instead of the journal. */
  readonly store: SqliteStore | undefined;
  /** Messages whose content is missing, until somebody puts it back. */
  readonly lostContents = new Set<string>();
  /** How often an older program did not start on a newer spool. */
  refusals = 0;
  /** The spool of the present life. */
  spool: WatchedSpool | undefined;
  /** Reloads that a part refused, and that were told as done. */
  takenInVain = 0;
  /** Recipients that the last orderly stop left claimed. */
  claimedAtStop = 0;
  #settings: SettingsInput;
  /** By reloads of the present life, in the order in which they were asked for. */
  #asked: Asked[] = [];
  readonly #reloadChance: Chance;
  /** Of its own, so that a refused reload changes nothing of the reloads after it. */
  readonly #refusalChance: Chance;
  /** Octets that are handed over at once. */
  readonly chunkBytes: number;
  readonly #serverChance: Chance;
  readonly #resolverChance: Chance;
  readonly #digest = createHash("sha256");
  #life: Incarnation | undefined;
  #server: RunningServer | undefined;
  #http = new Map<string, (request: Request) => Response | Promise<Response>>();

  /** Where the scene has TLS that can be in trouble, and policies about it. */
  readonly tls: TlsWorld | undefined;
  /** Where the scene strains the machine; elsewhere nobody measures it, and nothing is overload. */
  readonly measures: TestMeasures | undefined;

  constructor(
    seed: number,
    settings: SettingsInput,
    options: { readonly onSqlite?: boolean; readonly withTls?: boolean; readonly isMeasured?: boolean } = {},
  ) {
    this.store = options.onSqlite === true ? new SqliteStore() : undefined;
    const { clock } = this;
    const network = new Chance(seed, "network");
    // Some worlds hand over octet by octet, most in pieces of any size.
    const chunkBytes = network.is(0.1) ? 1 : network.is(0.3) ? 1 + network.below(64) : 65_536;
    this.chunkBytes = chunkBytes;
    this.network = new SimulatedNetwork({ clock, random: network, latencyMs: { least: 0.5, most: 40 }, chunkBytes });
    this.files = new SimulatedFiles({ clock, random: new Chance(seed, "disk") });
    const { withTls = false, isMeasured = false } = options;
    this.measures = isMeasured ? new TestMeasures() : undefined;
    const shape = dnsShape(new Chance(seed, "dns servers"), { allValidate: withTls });
    this.dns = new SimulatedDns({ random: new Chance(seed, "dns"), ...shape });
    const tls = withTls ? new TlsWorld(clock, this.dns) : undefined;
    this.tls = tls;
    if (tls !== undefined) {
      this.network.tlsOutcome = (server, client) =>
        server.kind === "ip" ? tls.outcome(server.address, client) : undefined;
    }
    this.#serverChance = new Chance(seed, "server");
    this.#resolverChance = new Chance(seed, "resolver");
    this.#reloadChance = new Chance(seed, "reloads of the server");
    this.#refusalChance = new Chance(seed, "refused reloads of the server");
    this.#settings = settings;
    this.program = new Chance(seed, "program").is(0.4) ? 1 : newestFormat;
  }

  get isUp(): boolean {
    return this.#server !== undefined;
  }

  /** A line for each event so far, hashed: equal runs have equal digests. */
  get digest(): string {
    return this.#digest.copy().digest("hex");
  }

  /** Rejects where the disk does not let it; then nothing runs. */
  async start(): Promise<void> {
    const life = this.#begin();
    this.#http = new Map();
    const { route = [] } = this.#settings;
    const settings = settingsSchema.parse(this.#settings);
    const asked: Asked[] = (this.#asked = []);
    const parts = new HinderedParts();
    const reload = async () => this.#read(asked, parts);
    try {
      const starting = openServer({ settings, mode: "production", reload }, this.#ports(life), parts);
      const server = await Promise.race([starting, life.death]);
      // The end may come in the very turn in which the start is through.
      if (server === undefined || life.isDead) return;
      this.#server = server;
      this.lives.push({ from: this.clock.monotonicMs(), to: Number.POSITIVE_INFINITY });
      const now = this.clock.now();
      this.reloads.push({ from: now, to: now, refused: false, route });
    } catch (error) {
      life.kill();
      this.#over();
      throw error;
    }
  }

  /** In order; what it leaves behind is told. */
  async stop(): Promise<readonly string[]> {
    const life = this.#life;
    const server = this.#server;
    if (life === undefined || server === undefined) return [];
    await Promise.race([server.stop(), life.death]);
    if (life.isDead) return [];
    // What hangs in a file system cannot be called back.
    const hung = this.files.hung;
    const left = Object.entries(life.leftovers).flatMap(([what, count]) =>
      count === 0 || (what === "promises" && count <= hung) ? [] : [`${count} ${what}`],
    );
    this.#over();
    life.kill();
    return left;
  }

  /** SIGKILL: the system keeps what it was given. */
  kill(): void {
    if (this.#life === undefined || this.#life.isDead) return;
    this.deaths.push(this.clock.now());
    this.#life.kill();
    this.#over();
  }

  /** The machine does nothing, and its network is away; what reaches it then is sent again. */
  fallAsleep(): void {
    if (this.isAsleep) return;
    this.sleeps.push({ from: this.clock.monotonicMs(), to: Number.POSITIVE_INFINITY });
    this.#ownClock.fallAsleep();
    this.network.cut(serverAddress);
  }

  wake(): void {
    const last = this.sleeps.at(-1);
    if (!this.isAsleep || last === undefined) return;
    last.to = this.clock.monotonicMs();
    this.#ownClock.wake();
    this.network.join(serverAddress);
  }

  get isAsleep(): boolean {
    return this.#ownClock.isAsleep;
  }

  /** Nothing is kept but what was synced, and some of the rest. */
  losePower(): void {
    this.kill();
    this.files.crash();
  }

  /** The spool has a format that the installed program does not know. */
  async needsWayBack(): Promise<boolean> {
    if (this.store !== undefined) return false;
    return (await journalFormatOf(this.files.memory, spoolDir)) > this.program;
  }

  /**
   * `posthaste spool downgrade` with the newer program, for the one that is installed. Rejects where the disk does not let
   * it, or where it is killed.
   */
  async takeSpoolBack(): Promise<void> {
    const life = this.#begin();
    await Promise.race([downgradeJournal(life.files, spoolDir, this.program), life.death]);
    if (life.isDead) throw new Error("killed");
    life.kill();
  }

  /** All octets of the spool as they are on the disk. */
  async spoolFiles(): Promise<readonly (readonly [string, Uint8Array])[]> {
    const { memory } = this.files;
    const paths = memory.paths.filter((path) => path.startsWith(`${spoolDir}/`));
    return await Promise.all(paths.map(async (path) => [path, await memory.readFile(path)] as const));
  }

  /** With a part of the settings replaced. */
  async reload(change: Partial<SettingsInput>): Promise<void> {
    this.#settings = { ...this.#settings, ...change };
    const { route = [] } = this.#settings;
    const reload: Reload = { from: this.clock.now(), to: Number.POSITIVE_INFINITY, refused: false, route };
    this.reloads.push(reload);
    const server = this.#server;
    const result = await this.#ask({ settings: settingsSchema.parse(this.#settings), inVain: false });
    if (result?.ok === true && server === this.#server) reload.to = this.clock.now();
    reload.refused = result?.ok === false;
  }

  /** With a part of the settings replaced, which some part of the server refuses: nothing of it is ever in force. */
  async reloadInVain(change: Partial<SettingsInput> = {}): Promise<void> {
    const result = await this.#ask({ settings: settingsSchema.parse({ ...this.#settings, ...change }), inVain: true });
    if (result?.ok === true) this.takenInVain++;
  }

  /** A request to the API over the control socket. */
  async api(path: string, json?: unknown): Promise<unknown> {
    const fetch = this.#http.get(`${dataDir}/control.sock`);
    if (fetch === undefined) return undefined;
    const body = json === undefined ? {} : { body: JSON.stringify(json), method: "POST" };
    const headers = { "content-type": "application/json" };
    const response = await fetch(new Request(`http://localhost${path}`, { headers, ...body }));
    return await response.json();
  }

  /** Messages in the mailbox of a local user. */
  async mailbox(user: string): Promise<readonly string[]> {
    const folders = [`${dataDir}/mail/example.org/${user}/new/`, `${dataDir}/mail/example.org/${user}/.Junk/new/`];
    const paths = this.files.memory.paths.filter((path) => folders.some((folder) => path.startsWith(folder)));
    return await Promise.all(
      paths.map(async (path) => Buffer.from(await this.files.readFile(path)).toString("latin1")),
    );
  }

  get settings(): SettingsInput {
    return this.#settings;
  }

  #begin(): Incarnation {
    const life = new Incarnation({
      clock: this.#ownClock,
      network: this.#fromServer(),
      files: this.files,
      makeResolver: ({ clock, log }) => {
        const { servers } = this.dns;
        const transport = this.dns.transport(clock);
        return new DnsResolver({ servers, transport, clock, random: this.#resolverChance, log });
      },
      log: this.#log({}),
    });
    this.#life = life;
    return life;
  }

  #over(): void {
    this.#server = undefined;
    this.spool = undefined;
    const life = this.lives.at(-1);
    if (life !== undefined) life.to = Math.min(life.to, this.clock.monotonicMs());
  }

  async #ask(asked: Asked): Promise<ReloadResult | undefined> {
    if (this.#server === undefined) return undefined;
    this.#asked.push(asked);
    return await this.#server.reload();
  }

  /** What the reload whose turn it is finds in its file. Some are slow: much may happen between two parts. */
  #read(asked: Asked[], parts: HinderedParts): Settings {
    const next = asked.shift();
    if (next === undefined) throw new Error("nobody asked for this reload");
    const chance = next.inVain ? this.#refusalChance : this.#reloadChance;
    const slowAt = chance.is(0.4) ? chance.pick(parts.reached) : undefined;
    const slowMs = chance.below(5_000);
    const refusing = next.inVain ? chance.pick(["file", ...parts.reached]) : undefined;
    if (refusing === "file") throw new Error("the file is broken");
    parts.hinder = async (name) => {
      if (name === slowAt) await this.clock.sleep(slowMs);
      if (name === refusing) throw new Error(`${name} refuses`);
    };
    return next.settings;
  }

  #fromServer(): Network {
    const { tls, clock } = this;
    const network = tls === undefined ? this.network : tapped(this.network, tls, clock);
    return this.sessionsOut.over({
      listen: (...given) => this.network.listen(...given),
      connect: (endpoint, options) => {
        if (endpoint.kind === "ip") this.dialled.push({ at: this.clock.monotonicMs(), address: endpoint.address });
        return network.connect(endpoint, { localAddress: serverAddress, ...options });
      },
    });
  }

  async #openSpool(life: Incarnation): Promise<WatchedSpool> {
    const { clock, files } = life;
    const { store } = this;
    if (store === undefined) {
      const journal = await JournalSpool.open({ clock, files, directory: spoolDir, knows: this.program });
      return this.#watched(journal, (call) => call());
    }
    const spool = await life.mortal(store.open(life));
    return this.#watched(spool, (call) => life.mortal(store.inTurn(call)));
  }

  #watched(spool: Spool, through: SpoolWatcher["through"]): WatchedSpool {
    return new WatchedSpool(spool, () => this.clock.now(), {
      through,
      isContentLost: (message) => this.lostContents.has(message),
      claimed: (page, from) => {
        const to = this.clock.now();
        for (const { message, recipients } of page) {
          for (const { index, attempts } of recipients)
            this.#noteClaim(`${message.id} ${index}`, { from, to, number: attempts });
        }
      },
      closing: (claimed) => {
        this.claimedAtStop = Math.max(0, claimed - this.files.hung);
      },
    });
  }

  #noteClaim(recipient: string, claim: ClaimedAttempt): void {
    const known = this.claims.get(recipient);
    if (known === undefined) this.claims.set(recipient, [claim]);
    else known.push(claim);
  }

  #log(fields: LogFields): Log {
    return {
      event: (name, more) => {
        const at = this.clock.now();
        const event = { at, realMs: this.clock.monotonicMs(), name, fields: { ...fields, ...more } };
        this.events.push(event);
        this.#digest.update(`${lineOf(event)}\n`);
      },
      with: (more) => this.#log({ ...fields, ...more }),
    };
  }

  #ports(life: Incarnation): ServerPorts {
    return {
      version: "1.2.3",
      clock: life.clock,
      random: this.#serverChance,
      crypto: new TestCrypto(),
      network: life.network,
      files: life.files,
      resolver: life.resolver,
      ...(this.measures && { measures: this.measures }),
      ...(this.tls && { policyFetcher: this.tls.fetcher(life.clock) }),
      log: life.log,
      interfaceAddresses: () => [serverAddress],
      lock: () => ({ release: () => undefined }),
      openSpool: async () => {
        this.spool = await this.#openSpool(life);
        return this.spool;
      },
      serveHttp: (endpoint, fetch) => {
        const http = this.#http;
        const place = endpoint.kind === "unix" ? endpoint.path : `${endpoint.address}:${endpoint.port}`;
        http.set(place, fetch);
        return Promise.resolve({ endpoint, close: () => Promise.resolve(void http.delete(place)) });
      },
    };
  }
}
