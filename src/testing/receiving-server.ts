/** A whole receiving side over a simulated network, and a client that speaks by script. For tests only. */
import assert from "node:assert/strict";
import type { z } from "zod";
import { Accounts } from "../accounts/accounts.ts";
import { AnyAccounts } from "../accounts/any-accounts.ts";
import type { AccountDirectory } from "../accounts/account-directory.ts";
import { type AccountSettings, defaultMechanisms } from "../accounts/settings.ts";
import { UserStore } from "../accounts/user-store.ts";
import { ipNetworkList } from "../lib/ip-network.ts";
import { SharedBudget } from "../lib/shared-budget.ts";
import type { TokenCheck } from "../oauth/token-check.ts";
import type { Admission } from "../policy/admission.ts";
import { builtInStages } from "../policy/built-in-stages.ts";
import { LocalAdmission } from "../policy/local-admission.ts";
import { PolicyChain } from "../policy/policy-chain.ts";
import type { Stage } from "../policy/stage.ts";
import { tellBan } from "../policy/ban-notice.ts";
import { Bans } from "../policy/bans.ts";
import { bansSettings, limitsSettings, relaySettings } from "../policy/settings.ts";
import type { Endpoint } from "../lib/endpoint.ts";
import type { Connection } from "../ports/network.ts";
import { Reporter } from "../reporting/reporter.ts";
import { MemorySpool } from "./spool/memory-spool.ts";
import { QueueIds } from "../spool/queue-id.ts";
import type { ClaimedMessage, ClaimTerms, Spool } from "../spool/spool.ts";
import { CollectingLog } from "./collecting-log.ts";
import { ManualClock, settle } from "./manual-clock.ts";
import { MemoryFiles } from "./memory-files.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { SeededRandom } from "./seeded-random.ts";
import { TestCrypto } from "./test-crypto.ts";
import { Inbound } from "../inbound/inbound.ts";
import type { ListenerOptions } from "../inbound/listener-options.ts";
import { Intake } from "../intake/intake.ts";
import type { AcceptedMail, IntakeServices } from "../intake/services.ts";

export const accountSettings: AccountSettings = {
  hostname: "mail.example.org",
  domains: [
    { name: "example.org", recipients: "known" },
    { name: "bücher.example", recipients: "known", catch_all: "ann@example.org" },
  ],
  users: [
    { address: "ann@example.org", password: "hash:secret" },
    { address: "bob@example.org", password: "hash:word" },
    { address: '"a@b >c"@example.org' },
  ],
  aliases: [
    { address: "single@example.org", to: ["far@elsewhere.test"] },
    { address: "team@example.org", to: ["ann@example.org", "bob@example.org", "far@elsewhere.test"] },
    { address: "loop@example.org", to: ["loop@example.org"] },
  ],
};

const crypto = new TestCrypto((password) => `hash:${password}`);

export const certificates = { context: () => ({ certificatePem: "", keyPem: "", version: 1 }) };

const ports = { mx: 25, submission: 587, submissions: 465, lmtp: 24 } as const;

type OfListeners = Pick<ListenerOptions, "clientCertificates" | "earlyTalk" | "greetingDelayMs" | "startTls">;
export interface ReceivingServerOptions extends OfListeners {
  readonly limits?: Parameters<typeof limitsSettings.parse>[0];
  readonly relayNetworks?: readonly string[];
  readonly bareLineEnds?: ListenerOptions["bareLineEnds"];
  readonly acceptsMail?: false;
  /** In place of the domains and users below. */
  readonly domains?: AccountSettings["domains"];
  readonly users?: AccountSettings["users"];
  readonly development?: true;
  /** SHA-256 in hex. */
  readonly relayKeys?: readonly string[];
  /** Default: those of the settings. */
  readonly mechanisms?: readonly string[];
  /** Checks OAuth tokens. */
  readonly tokens?: (ports: { readonly clock: ManualClock }) => TokenCheck | Promise<TokenCheck>;
  readonly xclientFrom?: readonly string[];
  readonly proxy?: { readonly from: readonly string[]; readonly required: boolean };
  readonly claim?: ClaimTerms;
  readonly space?: number;
  readonly hopLimit?: number;
  /** Largest piece that a session reads at once. Default: what the client sent at once. */
  readonly chunkBytes?: number;
  /** Stands between receiving and the real one. */
  readonly spool?: (spool: Spool) => Pick<Spool, "begin">;
  readonly accounts?: (accounts: AccountDirectory) => AccountDirectory;
  readonly admission?: (admission: Admission) => Admission;
  /** Default: nobody is banned. */
  readonly bans?: z.input<typeof bansSettings>;
  /** Asked before the built-in ones. */
  readonly stages?: readonly Stage[];
  /** What else the sessions are given: checks of senders, signing, forwarding. */
  readonly services?: (ports: { readonly clock: ManualClock; readonly log: CollectingLog }) => Partial<IntakeServices>;
}

export class ReceivingServer implements AsyncDisposable {
  readonly network = new MemoryNetwork();
  readonly log = new CollectingLog();
  readonly clock: ManualClock;
  readonly spool: MemorySpool;
  readonly inbound: Inbound;
  /** What the queue was told, once for each commit. */
  readonly accepted: (ClaimedMessage | undefined)[];
  /** What all sessions hold. */
  readonly memory: SharedBudget;
  /** Every commit ends; a spool that a test put in between may hold some for ever. */
  readonly #spoolEnds: boolean;

  private constructor(
    parts: Pick<ReceivingServer, "clock" | "spool" | "inbound" | "accepted" | "network" | "log" | "memory">,
    spoolEnds: boolean,
  ) {
    this.#spoolEnds = spoolEnds;
    this.clock = parts.clock;
    this.spool = parts.spool;
    this.inbound = parts.inbound;
    this.accepted = parts.accepted;
    this.memory = parts.memory;
    this.network = parts.network;
    this.log = parts.log;
  }

  static async open(options: ReceivingServerOptions = {}): Promise<ReceivingServer> {
    const clock = new ManualClock();
    const network = new MemoryNetwork(options.chunkBytes === undefined ? {} : { chunkBytes: options.chunkBytes });
    const log = new CollectingLog();
    const spool = new MemorySpool({ clock });
    const random = new SeededRandom(7);
    const accepted: (ClaimedMessage | undefined)[] = [];
    const queue: AcceptedMail = {
      accepted: (message) => accepted.push(message),
    };
    const limits = limitsSettings.parse(options.limits ?? {});
    const memory = new SharedBudget(limits.session_memory);
    const files = new MemoryFiles(options.space === undefined ? {} : { space: options.space });
    const claimTerms = () => options.claim;
    const bans = options.bans && makeBans(options.bans, clock, log);
    const local = await LocalAdmission.open({
      ...{ limits, files, clock, log, path: "/", claimTerms },
      ...(bans && { bans }),
    });
    const admission = options.admission?.(local) ?? local;
    const ids = new QueueIds(clock, random);
    const reporter = new Reporter({
      settings: () => ({ hostname: "mail.example.org" }),
      clock,
      random,
      log,
      nextId: () => ids.next(),
      compose: (letter) => intake.compose(letter),
    });
    const store = new UserStore(spool);
    const accounts = await Accounts.open({
      settings: {
        ...accountSettings,
        ...(options.users && { users: options.users }),
        ...(options.domains && { domains: options.domains }),
      },
      ...{ store, crypto, clock, random },
      ...(options.tokens && { tokens: await options.tokens({ clock }) }),
    });
    const directory = options.development ? new AnyAccounts("mail.example.org") : accounts;
    const { forwarding, ...services } = options.services?.({ clock, log }) ?? {};
    const common = { ids, accounts: options.accounts?.(directory) ?? directory, ...(forwarding && { forwarding }) };
    const policy = new PolicyChain([...(options.stages ?? []), ...builtInStages({ admission, ...common })]);
    const through = { spool: options.spool?.(spool) ?? spool, reporter, admission, policy, queue };
    const hostname = "mail.example.org";
    const intake = new Intake(
      { clock, random, ...through, ...common, ...services },
      { hostname, hopLimit: options.hopLimit ?? 100, headerBytesMax: limits.header_size },
    );
    const inbound = await Inbound.open(
      {
        ...{ clock, log, network, random, intake, ...common },
        certificates,
        memory,
        admission,
        policy,
      },
      {
        hostname,
        limits,
        relayNetworks: relaySettings.parse({ networks: options.relayNetworks ?? [] }).networks,
        relayKeys: options.relayKeys ?? [],
        mechanisms: options.mechanisms ?? defaultMechanisms,
      },
      (["mx", "submission", "submissions", "lmtp"] as const).map((kind) => ({
        kind,
        endpoint: { kind: "ip", address: "192.0.2.25", port: ports[kind] },
        bareLineEnds: options.bareLineEnds ?? "refuse",
        ...(options.earlyTalk !== undefined && { earlyTalk: options.earlyTalk }),
        ...(options.greetingDelayMs !== undefined && { greetingDelayMs: options.greetingDelayMs }),
        ...(options.acceptsMail !== undefined && { acceptsMail: options.acceptsMail }),
        ...(options.development && { development: true }),
        ...(options.startTls !== undefined && { startTls: options.startTls }),
        ...(options.clientCertificates && { clientCertificates: options.clientCertificates }),
        ...(options.xclientFrom && { xclientFrom: ipNetworkList(options.xclientFrom) }),
        ...(options.proxy && { proxy: { ...options.proxy, from: ipNetworkList(options.proxy.from) } }),
      })),
    );
    return new ReceivingServer({ clock, spool, inbound, accepted, network, log, memory }, options.spool === undefined);
  }

  /** Connected, the greeting not yet read. */
  async dial(kind: ListenerOptions["kind"], from = "198.51.100.7"): Promise<ScriptedClient> {
    const endpoint: Endpoint = { kind: "ip", address: "192.0.2.25", port: ports[kind] };
    const connection = await this.network.connect(endpoint, {
      localAddress: from,
      ...(kind === "submissions" && { tls: { serverName: "mail.example.org", demand: { kind: "required" } } }),
    });
    return new ScriptedClient(connection);
  }

  /** Greeted, and EHLO or LHLO said. */
  async client(kind: ListenerOptions["kind"], from?: string): Promise<ScriptedClient> {
    const client = await this.dial(kind, from);
    assert.match(await client.reply(), /^220 /);
    await client.expect(kind === "lmtp" ? "LHLO client.test" : "EHLO client.test", "250");
    return client;
  }

  /** On the submission port, under TLS, logged in as ann. */
  async submitter(login = "ann@example.org", password = "secret"): Promise<ScriptedClient> {
    const client = await this.client("submission");
    await client.startTls();
    await client.expect("EHLO client.test", "250");
    await client.expect(`AUTH PLAIN ${plain(login, password)}`, "235 2.7.0");
    return client;
  }

  /** Every message answered 250, oldest first. */
  async messages() {
    const messages = [];
    for (const { message: id } of this.log.of("message-accepted")) {
      const found = await this.spool.message(String(id));
      assert.ok(found);
      await using content = await this.spool.openContent(String(id));
      const events = await this.spool.events(String(id));
      messages.push({ ...found, events, content: Buffer.from(content?.whole ?? []).toString("latin1") });
    }
    return messages;
  }

  async onlyMessage() {
    const [message, ...others] = await this.messages();
    assert.ok(message, "no message was accepted");
    assert.equal(others.length, 0, "more than one message was accepted");
    return message;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stopped = this.inbound.shutdown({ deadlineMs: 1000 });
    for (let second = 0; second < 30; second++) await this.clock.advance(1000);
    await stopped;
    assert.equal(this.clock.pendingTimers, 0, "a timer was left behind");
    if (this.#spoolEnds) assert.equal(this.memory.used, 0, "memory of a session that is over is still counted");
  }
}

function makeBans(settings: z.input<typeof bansSettings>, clock: ManualClock, log: CollectingLog): Bans {
  return new Bans({
    settings: bansSettings.parse(settings),
    clock,
    isRelay: () => false,
    isProxy: () => false,
    banned: (ban) => tellBan(log, ban),
    signedIn: () => undefined,
  });
}

export function plain(username: string, password: string, authorizationId = ""): string {
  return Buffer.from(`${authorizationId}\0${username}\0${password}`).toString("base64");
}

export class ScriptedClient {
  readonly connection: Connection;
  #received = "";
  #ended = false;

  constructor(connection: Connection) {
    this.connection = connection;
    connection.start({
      data: (bytes) => {
        this.#received += Buffer.from(bytes).toString("latin1");
      },
      end: () => {
        this.#ended = true;
      },
      drained: () => undefined,
      closed: () => {
        this.#ended = true;
      },
    });
  }

  /** As given; octets above 255 become UTF-8 only with `utf8`. */
  send(text: string, encoding: "latin1" | "utf8" = "latin1"): void {
    this.connection.write(Buffer.from(text, encoding));
  }

  /** The next whole reply, its lines joined by "\n". */
  async reply(): Promise<string> {
    for (let turn = 0; turn < 50; turn++) {
      const match = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3} [^\r\n]*\r\n/.exec(this.#received);
      if (match !== null) {
        this.#received = this.#received.slice(match[0].length);
        return match[0].trimEnd().replaceAll("\r\n", "\n");
      }
      await settle();
    }
    throw new Error(`no reply; received so far: ${JSON.stringify(this.#received)}, ended: ${this.#ended}`);
  }

  /** Sends one line and checks how its reply begins. */
  async expect(line: string, beginning: string): Promise<string> {
    this.send(`${line}\r\n`, "utf8");
    const reply = await this.reply();
    assert.ok(reply.startsWith(beginning), `${line} → ${reply} instead of ${beginning}`);
    return reply;
  }

  /** MAIL, RCPT and DATA, each expected to be accepted. */
  async envelope(from: string, ...to: readonly string[]): Promise<void> {
    await this.expect(`MAIL FROM:${from}`, "250");
    for (const path of to) await this.expect(`RCPT TO:${path}`, "250");
  }

  /** DATA with these lines; the reply to the content. */
  async content(text: string): Promise<string> {
    await this.expect("DATA", "354");
    this.send(`${text}\r\n.\r\n`);
    return await this.reply();
  }

  async startTls(): Promise<void> {
    await this.expect("STARTTLS", "220");
    await this.connection.startTls({ side: "client", serverName: "mail.example.org", demand: { kind: "required" } });
  }

  /** Everything that came and was not read. */
  async unread(): Promise<string> {
    await settle();
    return this.#received;
  }

  async ended(): Promise<boolean> {
    for (let turn = 0; turn < 10 && !this.#ended; turn++) await settle();
    return this.#ended;
  }
}
