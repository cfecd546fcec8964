/**
 * Whole servers in one process: simulated network and disk, a spool in memory, and the real everything else. Mail goes in
 * by SMTP the way clients send it, and out by SMTP to a scripted server, into Maildirs, or into the captured mail.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import type { RunningServer, ServerPlan } from "../cli/running-server.ts";
import { StartError } from "../cli/running-server.ts";
import { createServer } from "./create-server.ts";
import type { ServerPorts } from "./plan/server-ports.ts";
import { developmentSettings } from "../config/development-settings.ts";
import { type SettingsInput, settingsSchema } from "../config/settings-schema.ts";
import type { Endpoint } from "../lib/endpoint.ts";
import { TestMeasures } from "../testing/test-measures.ts";
import { MemorySpool, MemoryStore } from "../testing/spool/memory-spool.ts";
import { type MessageWriter, SpoolError } from "../spool/spool.ts";
import { TestTerminal } from "../testing/cli-terminal.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { settle } from "../testing/manual-clock.ts";
import { ScriptedClient } from "../testing/receiving-server.ts";
import { ScriptedPeer } from "../testing/scripted-peer.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { TestCrypto } from "../testing/test-crypto.ts";

class World {
  readonly terminal = new TestTerminal();
  readonly log = new CollectingLog();
  readonly store = new MemoryStore();
  /** What answers over HTTP, by place. */
  readonly http = new Map<string, (request: Request) => Response | Promise<Response>>();
  readonly locked = new Set<string>();

  async start(input: SettingsInput, more: Partial<ServerPlan> = {}): Promise<RunningServer> {
    return await createServer({ settings: settingsSchema.parse(input), mode: "production", ...more }, this.ports());
  }

  ports(): ServerPorts {
    const { clock, files, network, resolver } = this.terminal;
    return {
      version: "1.2.3",
      clock,
      random: new SeededRandom(7),
      crypto: new TestCrypto(),
      network,
      files,
      resolver,
      log: this.log,
      interfaceAddresses: () => ["192.0.2.25"],
      lock: (dataDir) => {
        if (this.locked.has(dataDir)) throw new StartError("start-data-dir-in-use", "data_dir", `${dataDir} is in use`);
        this.locked.add(dataDir);
        return { release: () => void this.locked.delete(dataDir) };
      },
      openSpool: () => Promise.resolve(new MemorySpool({ clock, store: this.store })),
      serveHttp: (endpoint, fetch) => {
        const place = placeOf(endpoint);
        this.http.set(place, fetch);
        return Promise.resolve({ endpoint, close: () => Promise.resolve(void this.http.delete(place)) });
      },
    };
  }

  async send(port: number, ...words: string[]) {
    const running = this.terminal.run(["send", "--server", `127.0.0.1:${port}`, "--tls", "none", "--quiet", ...words]);
    const result = await running;
    await this.quiet();
    return result;
  }

  /** Deliveries begin in later turns. */
  async quiet(): Promise<void> {
    for (let round = 0; round < 5; round++) await settle();
  }

  async json(place: string, path: string, init?: RequestInit): Promise<{ status: number; body: unknown }> {
    const fetch = this.http.get(place) ?? assert.fail(`nothing listens on ${place}`);
    const response = await fetch(new Request(`http://localhost${path}`, init));
    return { status: response.status, body: await response.json() };
  }
}

function placeOf(endpoint: Endpoint): string {
  return endpoint.kind === "unix" ? endpoint.path : `${endpoint.address}:${endpoint.port}`;
}

const production: SettingsInput = {
  hostname: "mail.example.org",
  data_dir: "/data",
  listener: [
    { kind: "mx", listen: "127.0.0.1:25" },
    { kind: "lmtp", listen: "unix:/data/lmtp.sock" },
  ],
  domain: [{ name: "example.org" }],
  user: [{ address: "ann@example.org" }],
  alias: [{ address: "info@example.org", to: ["ann@example.org", "bob@elsewhere.test"] }],
  relay: { networks: ["127.0.0.1"] },
};

test("mail for a local user is accepted, delivered into the Maildir, and explained", async () => {
  const world = new World();
  const server = await world.start(production);
  const sent = await world.send(25, "--from", "joe@elsewhere.test", "--to", "ann@example.org", "--subject", "Hi");
  assert.equal(sent.code, 0, sent.stdout);
  const id = /queued as (\w{12})/.exec(sent.stdout)?.[1] ?? assert.fail();
  const mail = world.terminal.files.paths.filter((path) => path.startsWith("/data/mail/example.org/ann/new/"));
  assert.equal(mail.length, 1);
  const text = Buffer.from(await world.terminal.files.readFile(mail[0] ?? "")).toString();
  assert.match(text, /^Return-Path: <joe@elsewhere\.test>\r?\nDelivered-To: ann@example\.org\r?\n/);
  assert.ok(new RegExp(`\\sid ${id}\\b`).test(text), "the same id is in Received");
  const { body } = await world.json("/data/control.sock", `/api/v1/messages/${id}`);
  assert.equal((body as { recipients: { state: string }[] }).recipients[0]?.state, "delivered");
  await server.stop();
  assert.deepEqual([...world.http.keys()], []);
  assert.equal(world.locked.size, 0);
  assert.equal(world.terminal.clock.pendingTimers, 0, "no timer is left behind");
  assert.deepEqual(
    world.log.events.filter(({ level }) => level === "error"),
    [],
  );
});

test("mail for elsewhere goes by MX; what is refused there comes back as a report", async () => {
  const world = new World();
  world.terminal.resolver.addMx("elsewhere.test", "10 mx.elsewhere.test").add("mx.elsewhere.test", "A", "198.51.100.1");
  await using peer = await ScriptedPeer.listen(
    world.terminal.network,
    { kind: "ip", address: "198.51.100.1", port: 25 },
    { answer: ({ line }) => (line.startsWith("RCPT TO:<no@") ? "550 5.1.1 No such user" : undefined) },
  );
  const server = await world.start(production);
  const words = ["--from", "ann@example.org", "--to", "bob@elsewhere.test", "--to", "no@elsewhere.test"];
  assert.equal((await world.send(25, ...words)).code, 0);
  assert.deepEqual(
    peer.messages.map(({ recipients }) => recipients.length),
    [1],
  );
  await world.terminal.clock.advance(1000);
  const mailbox = world.terminal.files.paths.filter((path) => path.startsWith("/data/mail/example.org/ann/new/"));
  assert.equal(mailbox.length, 1, "the report is in the sender's mailbox");
  const report = Buffer.from(await world.terminal.files.readFile(mailbox[0] ?? "")).toString();
  assert.match(report, /^Return-Path: <>/);
  assert.match(report, /No such user/);
  await server.stop();
});

test("users are made over the control socket and may log in at once; those of the file are read-only", async () => {
  const world = new World();
  const server = await world.start(production);
  const call = (method: string, path: string, json: unknown) =>
    world.json("/data/control.sock", path, { method, body: JSON.stringify(json) });
  assert.equal((await call("POST", "/api/v1/users", { address: "eve@example.org", password: "s3cret" })).status, 201);
  assert.equal((await world.send(25, "--from", "x@elsewhere.test", "--to", "eve@example.org")).code, 0);
  const refused = await call("PUT", "/api/v1/users/ann%40example.org", { password: "x" });
  assert.equal(refused.status, 409);
  const { body } = await world.json("/data/control.sock", "/api/v1/users");
  assert.deepEqual(body, {
    users: [
      { address: "ann@example.org", source: "file" },
      { address: "eve@example.org", source: "data" },
    ],
  });
  await server.stop();
});

test("a reload is taken whole or not at all", async () => {
  const world = new World();
  const next: { settings: SettingsInput } = { settings: production };
  const reload = () => Promise.resolve(settingsSchema.parse(next.settings));
  const server = await world.start(production, { reload });
  assert.equal((await world.send(25, "--from", "x@elsewhere.test", "--to", "new@example.org")).code, 65);

  next.settings = { ...production, user: [{ address: "new@example.org" }] };
  assert.deepEqual(await server.reload(), { ok: true });
  assert.equal((await world.send(25, "--from", "x@elsewhere.test", "--to", "new@example.org")).code, 0);

  next.settings = { ...production, hostname: "other.example.org", user: [] };
  const refused = await server.reload();
  assert.equal(refused.ok, false);
  assert.match(JSON.stringify(refused), /hostname cannot change while the server runs/);
  assert.equal(
    (await world.send(25, "--from", "x@elsewhere.test", "--to", "new@example.org")).code,
    0,
    "nothing of it",
  );

  next.settings = { ...production, queue: { expire: "1 week" } };
  assert.equal((await server.reload()).ok, false);
  assert.deepEqual(
    world.log.events.flatMap(({ name }) => (name.startsWith("settings-") ? [name] : [])),
    ["settings-reloaded", "settings-refused", "settings-refused"],
  );
  await server.stop();
});

test("networks that hold everybody are a warning at the start, and after each reload that keeps them", async () => {
  const world = new World();
  const open = { ...production, relay: { networks: ["0.0.0.0/0", "::1"] } };
  const next: { settings: SettingsInput } = { settings: open };
  const reload = () => Promise.resolve(settingsSchema.parse(next.settings));
  const server = await world.start(open, { reload });
  const told = () => world.log.of("settings-warning").map(({ key, problem }) => [key, problem]);
  const problem =
    "0.0.0.0/0, ::1 covers most of the internet, so this server would be an open relay: anyone there could send mail to any address through it. List only the networks of your own machines";
  assert.deepEqual(told(), [["relay.networks", problem]]);
  await server.reload();
  assert.equal(told().length, 2);
  next.settings = production;
  await server.reload();
  assert.equal(told().length, 2);
  await server.stop();
});

test("reloads wait for one another, and the last one counts", async () => {
  const world = new World();
  const first = Promise.withResolvers<SettingsInput>();
  const told: string[] = [];
  const readings = [
    first.promise,
    Promise.resolve({ ...production, user: [{ address: "second@example.org" }] } satisfies SettingsInput),
  ];
  const reload = async () => {
    told.push("reads");
    const settings = settingsSchema.parse(await readings.shift());
    told.push("has read");
    return settings;
  };
  const server = await world.start(production, { reload });
  const both = Promise.all([server.reload(), world.json("/data/control.sock", "/api/v1/reload", { method: "POST" })]);
  await world.quiet();
  first.resolve({ ...production, user: [{ address: "first@example.org" }] });
  assert.deepEqual(await both, [{ ok: true }, { status: 200, body: { ok: true } }]);
  assert.deepEqual(told, ["reads", "has read", "reads", "has read"]);
  assert.equal((await world.send(25, "--from", "x@elsewhere.test", "--to", "second@example.org")).code, 0);
  assert.equal((await world.send(25, "--from", "x@elsewhere.test", "--to", "first@example.org")).code, 65);
  await server.stop();
});

test("the token and the names of [admin] in force are asked for, also after a reload", async () => {
  const world = new World();
  const admin = { listen: "127.0.0.1:8025", token: "a token of twenty letters" };
  const changed = { ...admin, token: "another token of some length", hostnames: ["Admin.example.org"] };
  const reload = () => Promise.resolve(settingsSchema.parse({ ...production, admin: changed }));
  const server = await world.start({ ...production, admin }, { reload });
  const get = (headers: Record<string, string>) =>
    world.json("127.0.0.1:8025", "/api/v1/queue/stats", { headers: { host: "127.0.0.1:8025", ...headers } });
  assert.equal((await get({})).status, 401);
  assert.equal((await get({ authorization: `Bearer ${admin.token}` })).status, 200);
  assert.equal((await get({ host: "evil.test" })).status, 403);
  await server.reload();
  assert.equal((await get({ authorization: `Bearer ${admin.token}` })).status, 401);
  assert.equal((await get({ authorization: `Bearer ${changed.token}`, host: "admin.example.org" })).status, 200);
  await server.stop();
});

test("without a token in the configuration the API asks for one that was made, on TCP and in production only", async () => {
  const world = new World();
  const path = "/api/v1/users";
  const server = await world.start(production);
  assert.equal((await world.json("127.0.0.1:8025", path)).status, 401);
  const body = JSON.stringify({ address: "mallory@example.org", password: "secret" });
  const add = { method: "POST", body, headers: { "content-type": "application/json" } };
  assert.equal((await world.json("127.0.0.1:8025", path, add)).status, 401);
  for (const probe of ["/healthz", "/readyz"]) assert.equal((await world.json("127.0.0.1:8025", probe)).status, 200);
  assert.equal((await world.json("/data/control.sock", path)).status, 200, "the socket's mode is its guard");
  const token = Buffer.from(await world.terminal.files.readFile("/data/admin.token"))
    .toString()
    .trim();
  assert.match(token, /^[\w-]{43}$/);
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await world.json("127.0.0.1:8025", path, { headers })).status, 200);
  await server.stop();

  const again = await world.start(production);
  assert.equal((await world.json("127.0.0.1:8025", path, { headers })).status, 200, "it outlives the process");
  await again.stop();
  assert.equal(world.log.events.filter(({ name }) => name === "admin-token-made").length, 1);

  const unix = await world.start({ ...production, admin: { listen: "unix:/data/admin.sock" } });
  assert.equal((await world.json("/data/admin.sock", path)).status, 200);
  await unix.stop();
});

test("a token that the configuration drops at a reload leaves the API no more open than one it never had", async () => {
  const world = new World();
  const token = "a token of twenty letters";
  const reload = () => Promise.resolve(settingsSchema.parse(production));
  const server = await world.start({ ...production, admin: { token } }, { reload });
  const get = (headers: Record<string, string> = {}) =>
    world.json("127.0.0.1:8025", "/api/v1/queue/stats", { headers });
  assert.equal((await get({ authorization: `Bearer ${token}` })).status, 200);
  assert.deepEqual(await server.reload(), { ok: true });
  assert.equal((await get()).status, 401);
  assert.equal((await get({ authorization: `Bearer ${token}` })).status, 401);
  await server.stop();
});

test("/readyz is 503 while a disk without room has mail refused, and 200 when there is room again", async () => {
  const world = new World();
  const { files, clock } = world.terminal;
  const server = await world.start(production);
  const status = async () => (await world.json("127.0.0.1:8025", "/readyz")).status;
  assert.equal(await status(), 200);
  for (const [space, expected] of [
    [1000, 503],
    [Number.POSITIVE_INFINITY, 200],
  ] as const) {
    files.space = space;
    await clock.advance(1000);
    // The answer comes from memory, and has the system asked.
    await status();
    await clock.advance(0);
    assert.equal(await status(), expected);
    if (expected === 200) continue;
    const { causes } = (await world.json("127.0.0.1:8025", "/readyz")).body as { readonly causes: unknown };
    assert.deepEqual(causes, [{ cause: "space", measured: 1000, limit: 100_000_000 }]);
  }
  assert.equal(world.log.of("space-short").length, 1);
  await server.stop();
});

test("/readyz says that the addresses of clients are hidden, until one of them is seen", async () => {
  const world = new World();
  const server = await world.start(production);
  const come = async (localAddress: string, name: string) => {
    const endpoint = { kind: "ip", address: "127.0.0.1", port: 25 } as const;
    const client = new ScriptedClient(await world.terminal.network.connect(endpoint, { localAddress }));
    await client.reply();
    await client.expect(`EHLO ${name}`, "250");
    await client.expect("QUIT", "221");
    // A server that stops waits for the client's end, too.
    client.connection.destroy();
  };
  const ready = () => world.json("127.0.0.1:8025", "/readyz");
  for (let n = 0; n < 29; n++) await come("172.17.0.1", `mail${n}.test`);
  assert.deepEqual(await ready(), { status: 200, body: { status: "ready" } });
  await come("172.17.0.1", "mail.test");
  assert.deepEqual(await ready(), { status: 200, body: { status: "ready", client_addresses_hidden: true } });
  await come("203.0.113.9", "mail.test");
  assert.deepEqual(await ready(), { status: 200, body: { status: "ready" } });
  await server.stop();
});

test("overload: new sessions hear 421, /readyz is 503, and it ends by itself", async () => {
  const world = new World();
  const measures = new TestMeasures();
  const server = await createServer(
    { settings: settingsSchema.parse(production), mode: "production" },
    { ...world.ports(), measures },
  );
  const { clock } = world.terminal;
  const status = async () => (await world.json("127.0.0.1:8025", "/readyz")).status;
  const send = () => world.send(25, "--from", "joe@elsewhere.test", "--to", "ann@example.org");
  assert.equal(await status(), 200);
  measures.delayMs = 5000;
  for (let second = 0; second < 2; second++) {
    await clock.advance(1000);
    await status();
  }
  const { status: code, body } = await world.json("127.0.0.1:8025", "/readyz");
  assert.deepEqual(
    [code, body],
    [503, { status: "not ready", causes: [{ cause: "event-loop", measured: 5000, limit: 1000 }] }],
  );
  assert.match((await send()).stdout, /421 4\.3\.2 The server is overloaded/);
  measures.delayMs = 0;
  await clock.advance(5000);
  assert.equal(await status(), 200);
  assert.equal((await send()).code, 0);
  assert.deepEqual(
    [...world.log.of("overload-began"), ...world.log.of("overload-ended")].map(({ cause }) => cause),
    ["event-loop", "event-loop"],
  );
  await server.stop();
});

test("/readyz is 503 while the spool takes no mail though it opens and delivers, and 200 when it takes some again", async () => {
  const world = new World();
  let refuses = false;
  const ports = world.ports();
  const openSpool = async () =>
    new Proxy(new MemorySpool({ clock: ports.clock, store: world.store }), {
      get: (spool, name) => {
        if (name === "begin" && refuses) return () => refusing(spool.begin());
        const value: unknown = Reflect.get(spool, name);
        return typeof value === "function" ? (value.bind(spool) as unknown) : value;
      },
    });
  const server = await createServer(
    { settings: settingsSchema.parse(production), mode: "production" },
    { ...ports, openSpool },
  );
  const status = async () => (await world.json("127.0.0.1:8025", "/readyz")).status;
  const send = () => world.send(25, "--from", "joe@elsewhere.test", "--to", "ann@example.org");
  assert.equal(await status(), 200);
  refuses = true;
  assert.match((await send()).stdout, /451 4\.3\.0/);
  assert.equal(await status(), 503);
  assert.deepEqual((await world.json("127.0.0.1:8025", "/readyz")).body, {
    status: "not ready",
    causes: [{ cause: "spool-refuses" }],
  });
  await world.terminal.clock.advance(59_000);
  assert.equal(await status(), 503);
  await world.terminal.clock.advance(1_000);
  assert.equal(await status(), 200, "nobody has tried for a minute: a balancer may send a client to try");
  await send();
  assert.equal(await status(), 503);
  refuses = false;
  assert.equal((await send()).code, 0);
  assert.equal(await status(), 200);
  await server.stop();
});

function refusing(writer: MessageWriter): MessageWriter {
  return Object.assign(writer, { commit: () => Promise.reject(new SpoolError("failed", "the page is damaged")) });
}

test("a data directory that others may enter is narrowed, unless it holds somebody else's files", async () => {
  const world = new World();
  const { files } = world.terminal;
  await files.makeDirectory("/data", 0o755);
  const server = await world.start(production);
  await server.stop();
  assert.equal((await files.stat("/data"))?.permissions, 0o700);
  const [narrowed] = world.log.events.filter(({ name }) => name === "data-dir-narrowed");
  assert.deepEqual(narrowed?.fields, { path: "/data", former: "0755" });

  await files.makeDirectory("/tmp", 0o1777);
  await files.replaceFile("/tmp/note", Buffer.from("x"));
  await assert.rejects(world.start({ ...production, data_dir: "/tmp" }), {
    code: "start-data-dir-open",
    message: "the data directory /tmp is open to other users (1777) and contains files of another user",
  });
  assert.equal((await files.stat("/tmp"))?.permissions, 0o1777);
  await files.replaceFile("/tmp/server.lock", Buffer.from(""));
  await (await world.start({ ...production, data_dir: "/tmp" })).stop();
  assert.equal((await files.stat("/tmp"))?.permissions, 0o1700);
});

test("a data directory in use, or a port that is taken, ends a start and leaves nothing open", async () => {
  const world = new World();
  const server = await world.start(production);
  await assert.rejects(world.start(production), { code: "start-data-dir-in-use" });
  const other = { ...production, data_dir: "/other", listener: [{ kind: "mx" as const, listen: "127.0.0.1:25" }] };
  await assert.rejects(world.start(other), (error: StartError) => {
    assert.deepEqual([error.code, error.part], ["start-address-in-use", "mx listener"]);
    return /127\.0\.0\.1:25 is taken/.test(error.message);
  });
  assert.deepEqual([...world.locked], ["/data"]);
  assert.equal((await world.send(25, "--from", "x@elsewhere.test", "--to", "ann@example.org")).code, 0);
  await server.stop();
});

test("dev takes any login and any recipient, and nothing leaves", async () => {
  const world = new World();
  const settings = developmentSettings({
    dataDir: "/dev",
    hosts: ["127.0.0.1"],
    smtpPort: 1025,
    httpPort: 8025,
    tlsPort: undefined,
    hostnames: [],
  });
  const server = await createServer({ settings, mode: "development" }, world.ports());
  assert.deepEqual(server.listeners, [
    { kind: "submission", endpoint: { kind: "ip", address: "127.0.0.1", port: 1025 } },
  ]);
  const words = ["--from", "app@anything.test", "--to", "whoever@example.net", "--subject", "Sign in"];
  assert.equal((await world.send(1025, ...words)).code, 0);
  assert.equal((await world.send(1025, "--auth", "any:thing", ...words)).code, 0);
  const { body } = await world.json("127.0.0.1:8025", "/api/v1/inbox");
  assert.deepEqual(
    (body as { messages: { to: string[]; subject: string }[] }).messages.map(({ to, subject }) => [to, subject]),
    [
      [["whoever@example.net"], "Sign in"],
      [["whoever@example.net"], "Sign in"],
    ],
  );
  assert.deepEqual(world.terminal.resolver.queries, [], "not even a name is looked up");
  await server.stop();
});

test("what was scheduled when a server stopped is tried by the next one", async () => {
  const world = new World();
  world.terminal.resolver.addMx("elsewhere.test", "10 mx.elsewhere.test").add("mx.elsewhere.test", "A", "198.51.100.1");
  const first = await world.start(production);
  assert.equal((await world.send(25, "--from", "ann@example.org", "--to", "bob@elsewhere.test")).code, 0);
  await first.stop();
  await using peer = await ScriptedPeer.listen(world.terminal.network, {
    kind: "ip",
    address: "198.51.100.1",
    port: 25,
  });
  const second = await world.start(production);
  await world.terminal.clock.advance(600_000);
  await world.quiet();
  assert.equal(peer.messages.length, 1);
  await second.stop();
});
