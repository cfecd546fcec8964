/**
 * A reload is whole or not at all: each part of a server refuses in turn, and whoever looks from outside sees nothing of
 * what the reload would have changed; when none refuses, all of it is seen.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type SettingsInput, settingsSchema } from "../../src/config/settings-schema.ts";
import { makeSelfSigned } from "../../src/node/tls/self-signed.ts";
import type { Network, TlsServerOptions } from "../../src/ports/network.ts";
import { HinderedParts } from "../../src/testing/hindered-parts.ts";
import { testKey } from "../../src/testing/test-crypto.ts";
import { hour, relayClient, settingsOf, SimulatedWorld } from "./support.ts";

const token = "a token of twenty letters";
const admin = { listen: "127.0.0.1:8025", token };

const before: Partial<SettingsInput> = {
  admin,
  alias: [{ address: "info@example.org", to: ["far@elsewhere.test"] }],
};

/** Something of every section that a reload may change. */
const after: Partial<SettingsInput> = {
  stop_within: "7s",
  tls: { certificate: "/etc/new.pem", key: "/etc/new.key" },
  user: [{ address: "new@example.org" }],
  alias: [{ address: "info@example.org", to: ["far@elsewhere.test", "new@example.org"] }],
  oauth: { issuer: [{ url: "https://login.example.net", audience: ["mail"] }] },
  history: { keep: "3d" },
  inbox: { keep: "2h" },
  dkim: { require_published: false, key: [{ domain: "example.org", selector: "new", key: testKey("ed25519") }] },
  reports: { address: "reports@example.org", keep: "10d", organization: "Example" },
  forwarding: { domain: "bounces.example.org" },
  route: [{ domain: "elsewhere.test", via: "relay", host: "mx.other.test" }],
  outbound: { keep_idle: "0s" },
  queue: { expire: "1h", deliveries: 7 },
  authentication: { authserv_id: "new.example.org" },
  relay: { networks: [`${relayClient}/32`, "198.51.100.0/24"] },
  limits: { message_size: "1MB" },
  bans: { errors: 7 },
  admin: { ...admin, token: "another token of some length" },
};

/** What the spool was last asked to remove, as ages. */
interface Removals {
  history: number;
  inbox: number;
}

class World extends SimulatedWorld {
  readonly parts = new HinderedParts();
  readonly removals: Removals = { history: 0, inbox: 0 };
  #tls: TlsServerOptions | undefined;
  override makeParts = () => this.parts;

  override wrapNetwork = (network: Network): Network => ({
    connect: (endpoint, options) => network.connect(endpoint, options),
    listen: (endpoint, { accept }) =>
      network.listen(endpoint, {
        accept: (connection) => {
          const startTls = connection.startTls.bind(connection);
          connection.startTls = (options) => {
            if (options.side === "server") this.#tls = options;
            return startTls(options);
          };
          accept(connection);
        },
      }),
  });

  constructor() {
    super();
    this.wrapSpool = (spool) => {
      const { prune } = spool;
      const { trim } = spool.captured;
      spool.prune = (time, limit) => {
        this.removals.history = this.clock.now() - time;
        return prune.call(spool, time, limit);
      };
      spool.captured.trim = (limits) => {
        this.removals.inbox = this.clock.now() - limits.before;
        return trim.call(spool.captured, limits);
      };
      return spool;
    };
  }

  get certificate(): string | undefined {
    return this.#tls?.context().certificatePem;
  }
}

async function begun(): Promise<{ world: World; look: () => Promise<Record<string, unknown>> }> {
  const world = new World();
  const pair = makeSelfSigned("mail.example.org", world.clock.now());
  await world.files.makeDirectory("/etc");
  await world.files.replaceFile("/etc/new.pem", Buffer.from(pair.certificatePem));
  await world.files.replaceFile("/etc/new.key", Buffer.from(pair.keyPem));
  const peers = [await world.peer("elsewhere.test"), await world.peer("other.test")];
  await world.start(before, { reload: () => Promise.resolve(settingsOf(after)) });
  await (await world.client("submissions")).expect("QUIT", "221");

  /** What shows from outside, each by the part that would have to change it. */
  const look = async () => {
    const client = await world.client();
    const hello = await client.expect("EHLO client.test", "250");
    const submitting = await world.client("submissions");
    const mechanisms = /^250-AUTH (.*)$/m.exec(await submitting.expect("EHLO client.test", "250"))?.[1];
    await submitting.expect("QUIT", "221");
    const id = await client.send("joe@origin.test", "info@example.org", "From: joe@origin.test\r\n\r\ntext");
    await world.quiet();
    const received = peers.map((peer) => peer.messages.splice(0).at(-1));
    const forwarded = received.find((message) => message !== undefined);
    const sessions = peers.map(({ openSessions }) => openSessions);
    await client.expect("MAIL FROM:<joe@origin.test>", "250");
    const replyTo = async (address: string) => (await client.expect(`RCPT TO:<${address}>`, "")).slice(0, 9);
    const accounts = [await replyTo("ann@example.org"), await replyTo("new@example.org")];
    const relaying = await replyTo("far@elsewhere.test");
    await client.expect("QUIT", "221");
    await world.advance(hour);
    const json = async (path: string) => (await (await world.ask("/data/control.sock", path)).json()) as unknown;
    const sites = (await json("/api/v1/queue/sites")) as { sites: { queue: { runningMax: number } } };
    const { message } = (await json(`/api/v1/messages/${id}`)) as {
      message: Record<"received_at" | "expires_at", string>;
    };
    return {
      certificates: world.certificate,
      oauth: mechanisms?.includes("OAUTHBEARER"),
      accounts,
      history: world.removals.history,
      inbox: world.removals.inbox,
      signing: await json("/api/v1/dkim/keys"),
      bans: await json("/api/v1/bans/explain?of=203.0.113.7"),
      delivery: sessions.some((open) => open > 0),
      forwarding: /@([^>]*)>/.exec(forwarded?.mail ?? "")?.[1],
      routing: received.map((one) => one !== undefined),
      queue: sites.sites.queue.runningMax,
      "sender-authentication": /Authentication-Results: (\S+);/.exec(forwarded?.content.toString() ?? "")?.[1],
      inbound: [relaying, /SIZE \d+/.exec(hello)?.[0]],
      api: Date.parse(message.expires_at) - Date.parse(message.received_at),
      guard: (await world.ask("127.0.0.1:8025", "/api/v1/users", { authorization: `Bearer ${token}` })).status,
    };
  };
  return { world, look };
}

test("each part refuses a reload in turn, and nothing changes; then none does, and everything changes", async () => {
  const { world, look } = await begun();
  await using _ = world;
  const { parts } = world;
  const first = await look();
  const names = [...parts.reached];
  for (const shown of Object.keys(first)) assert.ok(names.includes(shown), `there is no part ${shown}`);
  for (const name of names) {
    parts.hinder = (prepared) => {
      if (prepared === name) throw new Error(`${name} refuses`);
    };
    assert.deepEqual(await world.server.reload(), { ok: false, error: `${name} refuses` });
    assert.deepEqual(parts.applied, [], name);
    assert.deepEqual(await look(), first, `${name} refused, and something changed`);
  }
  assert.equal(world.log.of("settings-refused").length, names.length);

  parts.hinder = () => undefined;
  assert.deepEqual(await world.server.reload(), { ok: true });
  assert.deepEqual(parts.applied, names);
  const last = await look();
  for (const [name, seen] of Object.entries(first)) {
    assert.notDeepEqual(last[name], seen, `${name} shows nothing of what it was given`);
  }
  await world.stop();
  assert.deepEqual(world.log.of("server-stopping"), [{ within_ms: 7000 }]);
});

/** A section that no part views would be taken without a word, and be in force at the next start only. */
test("each section of the settings is looked at by a reload, but for the log's, which says so", async () => {
  const world = new SimulatedWorld();
  await using _ = world;
  const looked = new Set<string | symbol>();
  const next = new Proxy(settingsOf(), {
    get: (settings, name) => {
      looked.add(name);
      return Reflect.get(settings, name) as unknown;
    },
  });
  await world.start({}, { reload: () => Promise.resolve(next) });
  assert.deepEqual(await world.server.reload(), { ok: true });
  const sections = Object.keys(settingsSchema.shape);
  assert.deepEqual(
    sections.filter((name) => !looked.has(name)),
    ["log"],
  );
});
