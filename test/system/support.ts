/**
 * Whole servers for system tests: composed as `main.ts` does it, over a simulated network, disk and DNS with a clock that
 * stands still; a client that speaks SMTP by script; and ways to look at what became of mail. What needs real sockets
 * and files is in `real-server.ts`.
 */
import assert from "node:assert/strict";
import PostalMime, { type Email } from "postal-mime";
import type { RunningServer, ServerPlan } from "../../src/cli/running-server.ts";
import { openServer } from "../../src/server/create-server.ts";
import { Parts } from "../../src/server/plan/part.ts";
import type { ServerPorts } from "../../src/server/plan/server-ports.ts";
import { type Settings, type SettingsInput, settingsSchema } from "../../src/config/settings-schema.ts";
import type { ServiceClient } from "../../src/ports/service-client.ts";
import type { Connection, Network } from "../../src/ports/network.ts";
import type { Resolver } from "../../src/ports/resolver.ts";
import { MemorySpool, MemoryStore } from "../../src/testing/spool/memory-spool.ts";
import type { Spool } from "../../src/spool/spool.ts";
import { TestTerminal } from "../../src/testing/cli-terminal.ts";
import { CollectingLog } from "../../src/testing/collecting-log.ts";
import { settle } from "../../src/testing/manual-clock.ts";
import { type PeerScript, ScriptedPeer } from "../../src/testing/scripted-peer.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { TestCrypto } from "../../src/testing/test-crypto.ts";

export const second = 1000;
export const minute = 60 * second;
export const hour = 60 * minute;
export const day = 24 * hour;

const listenerPorts = { mx: 25, submission: 587, submissions: 465, lmtp: 24 } as const;
export type ListenerKind = keyof typeof listenerPorts;

const serverAddress = "192.0.2.25";
export const stranger = "198.51.100.7";
/** Within `relay.networks` of {@link baseSettings}. */
export const relayClient = "203.0.113.5";

export const baseSettings: SettingsInput = {
  hostname: "mail.example.org",
  data_dir: "/data",
  listener: (["mx", "submission", "submissions", "lmtp"] as const).map((kind) => ({
    kind,
    listen: `${serverAddress}:${listenerPorts[kind]}`,
  })),
  domain: [{ name: "example.org" }, { name: "bücher.example" }],
  user: [
    { address: "ann@example.org", password: fakeHash("secret") },
    { address: "bob@example.org", password: fakeHash("word") },
    { address: '"a@b >c"@example.org' },
    { address: "Ab.C@example.org" },
    { address: "u@bücher.example" },
  ],
  alias: [
    { address: "info@example.org", to: ["ann@example.org", "far@elsewhere.test"] },
    { address: "single@example.org", to: ["far@elsewhere.test"] },
    { address: "round@example.org", to: ["round-back@elsewhere.test"] },
  ],
  relay: { networks: [`${relayClient}/32`] },
};

/** What the simulated crypto calls the hash of a password. */
function fakeHash(password: string): string {
  const text = Buffer.from(password.padEnd(16, ".")).toString("base64").replaceAll("=", "");
  return `$argon2id$v=19$m=19456,t=2,p=1$${text}$${text}`;
}

export class SimulatedWorld implements AsyncDisposable {
  readonly terminal = new TestTerminal();
  readonly log = new CollectingLog();
  readonly store = new MemoryStore();
  /** Stands between the server and its spool. */
  wrapSpool: (spool: Spool) => Spool = (spool) => spool;
  /** Stands between the server and the names of the world. */
  wrapResolver: (resolver: Resolver) => Resolver = (resolver) => resolver;
  /** Where the parts of a server that starts enter themselves. */
  makeParts: () => Parts = () => new Parts();
  /** HTTPS of the server and of the commands; default: there is none. */
  serviceClient: ServiceClient | undefined;
  /** Stands between the server and its listeners. */
  wrapNetwork: (network: Network) => Network = (network) => network;
  readonly #http = new Map<string, (request: Request) => Response | Promise<Response>>();
  readonly #random = new SeededRandom(11);
  readonly #crypto = new TestCrypto(fakeHash);
  #server: RunningServer | undefined;
  #spool: Spool | undefined;
  #nextHost = 1;

  get clock() {
    return this.terminal.clock;
  }
  get files() {
    return this.terminal.files;
  }
  get network() {
    return this.terminal.network;
  }
  get resolver() {
    return this.terminal.resolver;
  }
  get server(): RunningServer {
    return this.#server ?? assert.fail("no server runs");
  }

  static async start(input: Partial<SettingsInput> = {}): Promise<SimulatedWorld> {
    const world = new SimulatedWorld();
    await world.start(input);
    return world;
  }

  /** Also after a stop: then on what the server before left. */
  async start(input: Partial<SettingsInput> = {}, plan: Partial<ServerPlan> = {}): Promise<RunningServer> {
    const whole = { settings: settingsOf(input), mode: "production", ...plan } as const;
    this.#server = await openServer(whole, this.#ports(), this.makeParts());
    return this.#server;
  }

  /** Lets time pass for what waits for it, so that a stop ends. */
  async stop(): Promise<void> {
    const stopped = this.server.stop();
    let over = false;
    const ended = stopped.finally(() => {
      over = true;
    });
    for (let round = 0; round < 200 && !over; round++) await this.clock.advance(second);
    await ended;
    this.#server = undefined;
    this.#spool = undefined;
  }

  /** An MX host for the domain, at a public address of its own. */
  async peer(domain: string, script: PeerScript = {}): Promise<ScriptedPeer> {
    const address = `198.51.100.${100 + this.#nextHost++}`;
    this.resolver.addMx(domain, `10 mx.${domain}`).add(`mx.${domain}`, "A", address);
    return await ScriptedPeer.listen(this.network, { kind: "ip", address, port: 25 }, script);
  }

  /** Greeted, and EHLO or LHLO said. */
  async client(kind: ListenerKind = "mx", from = stranger): Promise<Client> {
    const connection = await this.network.connect(
      { kind: "ip", address: serverAddress, port: listenerPorts[kind] },
      {
        localAddress: from,
        ...(kind === "submissions" && { tls: { serverName: "mail.example.org", demand: { kind: "required" } } }),
      },
    );
    const client = new Client(connection);
    assert.match(await client.reply(), /^220 /);
    await client.expect(kind === "lmtp" ? "LHLO client.test" : "EHLO client.test", "250");
    return client;
  }

  /** On port 465 and logged in. */
  async submitter(login = "ann@example.org", password = "secret"): Promise<Client> {
    const client = await this.client("submissions");
    await client.expect(`AUTH PLAIN ${Buffer.from(`\0${login}\0${password}`).toString("base64")}`, "235 2.7.0");
    return client;
  }

  /** By a client that may relay; envelope addresses without brackets, or whole arguments with parameters. Gives the id. */
  async accept(from: string, to: string | readonly string[], content = "Subject: hello\r\n\r\ntext"): Promise<string> {
    const client = await this.client("mx", relayClient);
    const id = await client.send(from, to, content);
    await client.expect("QUIT", "221");
    await this.quiet();
    return id;
  }

  /** Lets everything happen that needs no time to pass. */
  async quiet(): Promise<void> {
    for (let round = 0; round < 6; round++) await settle();
  }

  async advance(ms: number): Promise<void> {
    await this.quiet();
    await this.clock.advance(ms);
    await this.quiet();
  }

  /** Every message in the Maildir of a local user, oldest first, with LF line ends. */
  async mailbox(address: string): Promise<readonly Buffer[]> {
    const [user = "", domain = ""] = address.split("@");
    const folder = `/data/mail/${domain}/${user}/new/`;
    const paths = this.files.paths.filter((path) => path.startsWith(folder));
    return await Promise.all(paths.map(async (path) => Buffer.from(await this.files.readFile(path))));
  }

  /** The reports in a mailbox, read by a mail program's parser. */
  async reports(address: string): Promise<readonly Report[]> {
    const reports = await Promise.all((await this.mailbox(address)).map((raw) => readReport(raw)));
    return reports.filter((report) => report !== undefined);
  }

  /** Of every recipient of the message: `address state`. */
  async states(id: string): Promise<readonly string[]> {
    const found = await (this.#spool ?? assert.fail("no spool is open")).message(id);
    return (found?.recipients ?? []).map(({ address, state }) => `${address} ${state}`);
  }

  async stats() {
    return await (this.#spool ?? assert.fail("no spool is open")).stats();
  }

  /** Asks the API where it listens: a path of the control socket, or an address with a port. */
  async ask(place: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    const fetch = this.#http.get(place) ?? assert.fail(`nothing listens on ${place}`);
    return await fetch(new Request(`http://localhost${path}`, { headers }));
  }

  /** A command of `posthaste`, spoken to the running server over its control socket. */
  async command(line: string | readonly string[]) {
    const { serviceClient } = this;
    return await this.terminal.run(line, {
      ...(serviceClient && { http: serviceClient }),
      overrides: {
        serverApi: ({ dataDir }) =>
          Promise.resolve({
            running: true,
            request: async (path, { method = "GET", json } = {}) => {
              const fetch = this.#http.get(`${dataDir}/control.sock`) ?? assert.fail("no control socket");
              const headers = { "content-type": "application/json" };
              const body = json === undefined ? {} : { headers, body: JSON.stringify(json) };
              return await fetch(new Request(`http://localhost${path}`, { method, ...body }));
            },
            [Symbol.asyncDispose]: () => Promise.resolve(),
          }),
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server === undefined) return;
    await this.stop();
    assert.equal(this.clock.pendingTimers, 0, "a timer was left behind");
    assert.deepEqual([...this.#http.keys()], [], "something still listens");
    assert.deepEqual(this.log.of("internal-error"), []);
  }

  #ports(): ServerPorts {
    const { clock, files, network, resolver } = this.terminal;
    return {
      version: "1.2.3",
      clock,
      random: this.#random,
      crypto: this.#crypto,
      network: this.wrapNetwork(network.host(serverAddress)),
      files,
      resolver: this.wrapResolver(resolver),
      ...(this.serviceClient && { serviceClient: this.serviceClient }),
      log: this.log,
      interfaceAddresses: () => [serverAddress],
      lock: () => ({ release: () => undefined }),
      openSpool: () => {
        this.#spool = this.wrapSpool(new MemorySpool({ clock, store: this.store }));
        return Promise.resolve(this.#spool);
      },
      serveHttp: (endpoint, fetch) => {
        const place = endpoint.kind === "unix" ? endpoint.path : `${endpoint.address}:${endpoint.port}`;
        this.#http.set(place, fetch);
        return Promise.resolve({ endpoint, close: () => Promise.resolve(void this.#http.delete(place)) });
      },
    };
  }
}

export function settingsOf(input: Partial<SettingsInput> = {}): Settings {
  return settingsSchema.parse({ ...baseSettings, ...input });
}

/** Speaks by script over any connection, simulated or real; waits for replies, never for time. */
export class Client {
  readonly connection: Connection;
  #received = "";
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(connection: Connection) {
    this.connection = connection;
    const wake = () => this.#wake?.();
    connection.start({
      data: (bytes) => {
        this.#received += Buffer.from(bytes).toString("latin1");
        wake();
      },
      end: () => {
        this.#ended = true;
        wake();
      },
      drained: wake,
      closed: () => {
        this.#ended = true;
        wake();
      },
    });
  }

  write(bytes: string | Uint8Array): void {
    this.connection.write(typeof bytes === "string" ? Buffer.from(bytes) : bytes);
  }

  /** Writes, and waits until the connection takes more. */
  async writeAll(bytes: Uint8Array): Promise<void> {
    if (!this.connection.write(bytes)) await this.#until(() => this.connection.bufferedBytes === 0);
  }

  /** The next whole reply, its lines joined by "\n". */
  async reply(): Promise<string> {
    let match: RegExpExecArray | null = null;
    await this.#until(() => {
      match = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3} [^\r\n]*\r\n/.exec(this.#received);
      return match !== null || this.#ended;
    });
    const [text] = (match as RegExpExecArray | null) ?? assert.fail(`the server closed: ${this.#received}`);
    this.#received = this.#received.slice(text.length);
    assertWellFormed(text);
    return text.trimEnd().replaceAll("\r\n", "\n");
  }

  /** Sends one line and checks how its reply begins. */
  async expect(line: string, beginning: string): Promise<string> {
    this.write(`${line}\r\n`);
    const reply = await this.reply();
    assert.ok(reply.startsWith(beginning), `${line} → ${reply} instead of ${beginning}`);
    return reply;
  }

  /** A whole transaction that is accepted; gives the queue id. */
  async send(from: string, to: string | readonly string[], content: string): Promise<string> {
    await this.expect(`MAIL FROM:${argument(from)}`, "250");
    for (const path of [to].flat()) await this.expect(`RCPT TO:${argument(path)}`, "250");
    await this.expect("DATA", "354");
    const reply = await this.expect(`${content}\r\n.`, "250 2.0.0 Ok: queued as ");
    return /queued as (\w{12})$/.exec(reply)?.[1] ?? assert.fail(reply);
  }

  async startTls(): Promise<void> {
    await this.expect("STARTTLS", "220");
    await this.connection.startTls({ side: "client", serverName: "mail.example.org", demand: { kind: "required" } });
    await this.expect("EHLO client.test", "250");
  }

  /** The server closed the connection. */
  async ended(): Promise<void> {
    await this.#until(() => this.#ended);
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }
}

/**
 * What holds for every reply of ours, so every test looks (rows ESC-001 to ESC-004, SMTP-020 to SMTP-022): lines of at
 * most 512 printable octets with one code, and behind it, but for greetings, EHLO and 3yz, one status of its class.
 */
function assertWellFormed(reply: string): void {
  const lines = reply.split("\r\n").slice(0, -1);
  const [first = ""] = lines;
  const bare = /^(?:220|3\d\d|250)[ -]/.test(first) && !/^250[ -]2\./.test(first);
  if (first.startsWith("250") && bare) assert.match(first, /^250[ -]mail\.example\.org$/);
  const beginning = /^([245])\d\d[ -]\1\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2}) /.exec(first)?.[0].slice(4);
  assert.ok(bare || beginning !== undefined, `no status, or one of another class: ${first}`);
  for (const line of lines) {
    assert.ok(line.length <= 510, `${line.length} octets in a line`);
    assert.match(line, /^[ -~]*$/);
    assert.equal(line.slice(0, 3), first.slice(0, 3));
    if (!bare) assert.ok(line.slice(4).startsWith(beginning ?? ""), `${line} after ${first}`);
  }
}

/** `ann@x` becomes `<ann@x>`; what has brackets, or needs none, stays. */
function argument(path: string): string {
  return path.includes("<") ? path : `<${path}>`;
}

export interface Report {
  readonly email: Email;
  readonly raw: string;
  /** Fields of the machine-readable part, by lower-case name: those of the message, and those of each recipient. */
  readonly message: ReadonlyMap<string, string>;
  readonly recipients: readonly ReadonlyMap<string, string>[];
  /** The first part, for people. */
  readonly text: string;
  /** Type and text of what is returned of the message. */
  readonly returned: { readonly type: string; readonly text: string };
}

/** undefined for mail that is no report. */
export async function readReport(raw: Buffer): Promise<Report | undefined> {
  // As attachments, so that nothing of it is taken for the text.
  const email = await PostalMime.parse(raw, { forceRfc822Attachments: true });
  const status = email.attachments.find(({ mimeType }) => /^message\/(global-)?delivery-status$/.test(mimeType));
  const returned = email.attachments.find((part) => part !== status);
  if (status === undefined || returned === undefined) return undefined;
  const [message = new Map<string, string>(), ...recipients] = textOf(status.content)
    .trimEnd()
    .split(/\r?\n\r?\n/)
    .map(fieldsOf);
  return {
    email,
    raw: raw.toString("latin1"),
    message,
    recipients,
    text: email.text ?? "",
    returned: { type: returned.mimeType, text: textOf(returned.content) },
  };
}

function fieldsOf(block: string): ReadonlyMap<string, string> {
  const lines = block.replaceAll(/\r?\n[ \t]+/g, " ").split(/\r?\n/);
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
}

function textOf(content: string | ArrayBuffer | Uint8Array): string {
  return typeof content === "string" ? content : Buffer.from(content as ArrayBuffer).toString("utf8");
}

/** Addresses of the RCPT commands that a peer accepted, in all its messages. */
export function addresses(peer: ScriptedPeer): readonly string[] {
  return peer.messages.flatMap(({ recipients }) => recipients.map((line) => /<(.*?)>/.exec(line)?.[1] ?? line));
}
