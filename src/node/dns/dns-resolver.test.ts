/** The resolver against servers on loopback that answer rightly, wrongly, late, or not at all. */
import assert from "node:assert/strict";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { after, test } from "node:test";
import packet, { type Answer, type DecodedPacket, type Packet } from "dns-packet";

import { CollectingLog } from "../../testing/collecting-log.ts";
import { ManualClock } from "../../testing/manual-clock.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { DnsResolver, type DnsResolverOptions } from "./dns-resolver.ts";
import { socketTransport } from "./dns-transport.ts";

type Answering = (query: DecodedPacket, transport: "udp" | "tcp") => Packet | Buffer | Buffer[] | undefined;

/** Answers by UDP and TCP on one port. */
class FakeServer {
  readonly queries: { readonly transport: "udp" | "tcp"; readonly query: DecodedPacket; readonly port: number }[] = [];
  answering: Answering;
  readonly #udp: Socket;
  readonly #tcp: Server;
  #heard = Promise.withResolvers<void>();

  private constructor(answering: Answering, udp: Socket, tcp: Server) {
    this.answering = answering;
    this.#udp = udp;
    this.#tcp = tcp;
    udp.on("message", (bytes, from) => this.#onMessage(bytes, from));
    tcp.on("connection", (socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (bytes: Buffer) => {
        const query = packet.decode(bytes.subarray(2));
        this.queries.push({ transport: "tcp", query, port: socket.remotePort ?? 0 });
        for (const reply of this.#repliesTo(query, "tcp")) {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(reply.length);
          // In two parts, as networks may.
          socket.write(Buffer.concat([length, reply.subarray(0, 5)]));
          setImmediate(() => socket.write(reply.subarray(5)));
        }
        this.#wake();
      });
    });
  }

  static async start(answering: Answering): Promise<FakeServer> {
    for (;;) {
      const udp = createSocket("udp4").bind(0, "127.0.0.1");
      await once(udp, "listening");
      const tcp = createServer().listen(udp.address().port, "127.0.0.1");
      // The port may be taken for TCP: then another pair is tried.
      const listens = await once(tcp, "listening").then(
        () => true,
        () => false,
      );
      if (listens) {
        const server = new FakeServer(answering, udp, tcp);
        after(() => server.stop());
        return server;
      }
      udp.close();
    }
  }

  get server() {
    return { address: "127.0.0.1", port: this.#udp.address().port };
  }

  /** Names and types asked, in order. */
  get asked(): string[] {
    return this.queries.map(({ query }) => `${query.questions?.[0]?.type} ${query.questions?.[0]?.name}`);
  }

  async untilQueries(count: number): Promise<void> {
    while (this.queries.length < count) await this.#heard.promise;
  }

  stop(): void {
    this.#udp.close();
    this.#tcp.close();
  }

  #onMessage(bytes: Buffer, from: RemoteInfo): void {
    const query = packet.decode(bytes);
    this.queries.push({ transport: "udp", query, port: from.port });
    for (const reply of this.#repliesTo(query, "udp")) this.#udp.send(reply, from.port, from.address);
    this.#wake();
  }

  #repliesTo(query: DecodedPacket, transport: "udp" | "tcp"): Buffer[] {
    const reply = this.answering(query, transport);
    if (reply === undefined) return [];
    if (Array.isArray(reply)) return reply;
    return [Buffer.isBuffer(reply) ? reply : packet.encode(reply)];
  }

  #wake(): void {
    this.#heard.resolve();
    this.#heard = Promise.withResolvers<void>();
  }
}

function respond(query: DecodedPacket, answers: Answer[], more: Partial<Packet> & { rcode?: number } = {}): Packet {
  const { rcode = 0, flags = 0, ...rest } = more;
  return {
    type: "response",
    id: query.id ?? 0,
    questions: query.questions ?? [],
    answers,
    ...rest,
    flags: packet.RECURSION_AVAILABLE | flags | rcode,
  };
}

const mx = (name: string, preference: number, exchange: string, ttl = 300): Answer => ({
  type: "MX",
  name,
  ttl,
  class: "IN",
  data: { preference, exchange },
});
const a = (name: string, data: string, ttl = 300): Answer => ({ type: "A", name, ttl, class: "IN", data });
const cname = (name: string, data: string, ttl = 300): Answer => ({ type: "CNAME", name, ttl, class: "IN", data });
const soa = (minimum: number, ttl = 3600): Answer => ({
  type: "SOA",
  name: "test",
  ttl,
  class: "IN",
  data: { mname: "ns.test", rname: "hostmaster.test", serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
});

function resolverFor(servers: readonly FakeServer[], more: Partial<DnsResolverOptions> = {}) {
  const clock = new ManualClock();
  const log = new CollectingLog();
  const resolver = new DnsResolver({
    servers: servers.map(({ server }) => server),
    transport: socketTransport,
    clock,
    log,
    random: new SeededRandom(7),
    ...more,
  });
  return { resolver, clock, log };
}

test("MX records come back with preference, lower case, no final dot; the null MX is empty", async () => {
  const server = await FakeServer.start((query) =>
    respond(query, [
      mx("Example.TEST", 20, "MX2.Example.test"),
      mx("example.test", 10, "mx1.example.test"),
      mx("example.test", 0, "."),
    ]),
  );
  const { resolver } = resolverFor([server]);
  const answer = await resolver.query("EXAMPLE.test.", "MX");
  assert.deepEqual(answer, {
    kind: "records",
    records: [
      { preference: 20, exchange: "mx2.example.test" },
      { preference: 10, exchange: "mx1.example.test" },
      { preference: 0, exchange: "" },
    ],
    name: "example.test",
    ttlSeconds: 300,
    secure: false,
  });
  const [first] = server.queries;
  const opt = first?.query.additionals?.[0];
  assert.ok(opt?.type === "OPT");
  assert.equal(opt.udpPayloadSize, 1232);
  assert.equal(opt.flag_do, true);
  assert.equal(first?.query.flag_ad, true);
  assert.equal(first?.query.flag_rd, true);
});

test("each type is read: A, AAAA in its normal form, TXT joined, PTR, TLSA", async () => {
  const records: Record<string, Answer> = {
    A: a("x.test", "192.0.2.1"),
    AAAA: { type: "AAAA", name: "x.test", ttl: 5, class: "IN", data: "2001:DB8:0:0:0:0:0:1" },
    TXT: { type: "TXT", name: "x.test", ttl: 5, class: "IN", data: ["v=spf1 ", "-all"] },
    PTR: { type: "PTR", name: "x.test", ttl: 5, class: "IN", data: "Host.test" },
    TLSA: {
      type: "TLSA",
      name: "x.test",
      ttl: 5,
      class: "IN",
      data: { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.from("ab") },
    },
  };
  const server = await FakeServer.start((query) =>
    respond(query, [records[query.questions?.[0]?.type ?? ""] ?? soa(1)]),
  );
  const { resolver } = resolverFor([server]);
  const one = async (type: "A" | "AAAA" | "TXT" | "PTR" | "TLSA") => {
    const answer = await resolver.query("x.test", type);
    return answer.kind === "records" ? answer.records[0] : answer;
  };
  assert.equal(await one("A"), "192.0.2.1");
  assert.equal(await one("AAAA"), "2001:db8::1");
  assert.equal(await one("TXT"), "v=spf1 -all");
  assert.equal(await one("PTR"), "host.test");
  assert.deepEqual(await one("TLSA"), { usage: 3, selector: 1, matching: 1, data: Uint8Array.from(Buffer.from("ab")) });
});

test("NXDOMAIN is no-name, an empty answer no-data, and both are kept for the SOA's time", async () => {
  const server = await FakeServer.start((query) => {
    const rcode = query.questions?.[0]?.name === "gone.test" ? 3 : 0;
    return respond(query, [], { rcode, authorities: [soa(60)] });
  });
  const { resolver, clock } = resolverFor([server]);
  assert.equal((await resolver.query("gone.test", "MX")).kind, "no-name");
  assert.equal((await resolver.query("empty.test", "MX")).kind, "no-data");
  await resolver.query("gone.test", "MX");
  await resolver.query("empty.test", "MX");
  assert.equal(server.queries.length, 2);
  await clock.advance(60_000);
  await resolver.query("gone.test", "MX");
  assert.equal(server.queries.length, 3);
});

test("who waits for a record to appear asks again in spite of the cache, and others hear of it", async () => {
  const published: Answer[] = [];
  const server = await FakeServer.start((query) => respond(query, published, { authorities: [soa(600)] }));
  const { resolver } = resolverFor([server]);
  const kind = async (options?: { fresh: true }) => (await resolver.query("x.test", "A", options)).kind;
  assert.deepEqual([await kind(), await kind({ fresh: true })], ["no-data", "no-data"]);
  published.push(a("x.test", "192.0.2.1", 100));
  assert.deepEqual([await kind(), await kind({ fresh: true })], ["no-data", "records"]);
  assert.equal(await kind(), "records");
  assert.equal(await kind({ fresh: true }), "records");
  assert.equal(server.queries.length, 3);
});

test("a record that appeared and may not be kept ends what was known of its absence", async () => {
  const published: Answer[] = [];
  const server = await FakeServer.start((query) => respond(query, published, { authorities: [soa(600)] }));
  const { resolver } = resolverFor([server]);
  assert.equal((await resolver.query("x.test", "A")).kind, "no-data");
  published.push(a("x.test", "192.0.2.1", 0));
  assert.equal((await resolver.query("x.test", "A", { fresh: true })).kind, "records");
  assert.equal((await resolver.query("x.test", "A")).kind, "records");
});

test("answers are kept for their TTL and tell what is left of it", async () => {
  const server = await FakeServer.start((query) =>
    respond(query, [a("x.test", "192.0.2.1", 100), a("x.test", "192.0.2.2", 30)]),
  );
  const { resolver, clock } = resolverFor([server]);
  const ttl = async () => {
    const answer = await resolver.query("x.test", "A");
    return answer.kind === "records" ? answer.ttlSeconds : answer;
  };
  assert.equal(await ttl(), 30);
  await clock.advance(12_000);
  assert.equal(await ttl(), 12 + 6);
  assert.equal(server.queries.length, 1);
  await clock.advance(18_000);
  assert.equal(await ttl(), 30);
  assert.equal(server.queries.length, 2);
});

test("equal questions of one moment are asked once; a caller that gives up does not stop the others", async () => {
  const server = await FakeServer.start((query) => respond(query, [a("x.test", "192.0.2.1")]));
  const { resolver } = resolverFor([server]);
  const controller = new AbortController();
  const answers = [
    resolver.query("x.test", "A", { signal: controller.signal }),
    resolver.query("X.test", "A"),
    resolver.query("x.test", "A"),
  ];
  controller.abort();
  const kinds = (await Promise.all(answers)).map(({ kind }) => kind);
  assert.deepEqual(kinds, ["failure", "records", "records"]);
  assert.equal(server.queries.length, 1);
});

test("CNAMEs are followed inside one answer and across answers, up to eight; loops fail", async () => {
  const server = await FakeServer.start((query) => {
    const name = query.questions?.[0]?.name ?? "";
    const link = /^(\d+)\.(chain|loop)\.test$/.exec(name);
    if (link?.[2] === "loop") return respond(query, [cname(name, `${1 - Number(link[1])}.loop.test`)]);
    if (link !== null) {
      const next = Number(link[1]) - 1;
      return respond(query, [next < 0 ? a(name, "192.0.2.9", 20) : cname(name, `${next}.chain.test`, 50)]);
    }
    if (name === "dangling.test") return respond(query, [cname(name, "gone.test")], { rcode: 3 });
    return respond(query, [cname("www.test", "Web.test", 10), a("web.test", "192.0.2.1")]);
  });
  const { resolver } = resolverFor([server]);
  const whole = await resolver.query("www.test", "A");
  assert.ok(whole.kind === "records");
  assert.deepEqual([whole.name, whole.records, whole.ttlSeconds], ["web.test", ["192.0.2.1"], 10]);
  const far = await resolver.query("8.chain.test", "A");
  assert.ok(far.kind === "records");
  assert.deepEqual([far.name, far.ttlSeconds], ["0.chain.test", 20]);
  assert.equal((await resolver.query("9.chain.test", "A")).kind, "failure");
  assert.equal((await resolver.query("1.loop.test", "A")).kind, "failure");
  assert.equal((await resolver.query("dangling.test", "A")).kind, "no-name");
});

test("SERVFAIL and REFUSED: the next server is asked; when all fail it is a failure, kept for seconds only", async () => {
  const refusing = await FakeServer.start((query) => respond(query, [], { rcode: 5 }));
  const failing = await FakeServer.start((query) => respond(query, [], { rcode: 2 }));
  const { resolver, clock, log } = resolverFor([refusing, failing]);
  const answer = await resolver.query("x.test", "MX");
  assert.deepEqual(answer, { kind: "failure", reason: "127.0.0.1: SERVFAIL" });
  assert.equal(log.of("dns-failed").length, 1);
  await resolver.query("x.test", "MX");
  assert.deepEqual([refusing.queries.length, failing.queries.length], [1, 1]);
  await clock.advance(5000);
  failing.answering = (query) => respond(query, [mx("x.test", 10, "mx.test")]);
  assert.equal((await resolver.query("x.test", "MX")).kind, "records");
  // The one that answered is asked first from now on.
  await resolver.query("y.test", "MX");
  assert.equal(refusing.queries.length, 2);
});

test("found by simulation: a referral is no empty answer; the next server is asked, and without one it is a failure", async () => {
  const elsewhere: Answer = { type: "NS", name: "test", ttl: 3600, class: "IN", data: "ns.test" };
  const lame = await FakeServer.start((query) => ({
    ...respond(query, [], { authorities: [elsewhere] }),
    flags: 0,
  }));
  const good = await FakeServer.start((query) => respond(query, [mx("x.test", 10, "mx.test")]));
  assert.equal((await resolverFor([lame, good]).resolver.query("x.test", "MX")).kind, "records");
  assert.deepEqual(await resolverFor([lame]).resolver.query("x.test", "MX"), {
    kind: "failure",
    reason: "127.0.0.1: a referral to other servers instead of an answer",
  });
  // Who does recursion has looked, and where there is a SOA record there is an answer.
  lame.answering = (query) => respond(query, [], { authorities: [elsewhere] });
  assert.equal((await resolverFor([lame]).resolver.query("x.test", "MX")).kind, "no-data");
  lame.answering = (query) => ({ ...respond(query, [], { authorities: [elsewhere, soa(60)] }), flags: 0 });
  assert.equal((await resolverFor([lame]).resolver.query("x.test", "MX")).kind, "no-data");
});

test("a silent server costs two seconds, then the second one answers", async () => {
  const silent = await FakeServer.start(() => undefined);
  const good = await FakeServer.start((query) => respond(query, [a("x.test", "192.0.2.1")]));
  const { resolver, clock } = resolverFor([silent, good]);
  const answer = resolver.query("x.test", "A");
  await silent.untilQueries(1);
  await clock.advance(2000);
  assert.equal((await answer).kind, "records");
  assert.equal(clock.pendingTimers, 0);
});

test("when nobody answers it is a failure within 15 seconds, after a second round with more patience", async () => {
  const silent = await FakeServer.start(() => undefined);
  const { resolver, clock } = resolverFor([silent]);
  const answer = resolver.query("x.test", "A");
  await silent.untilQueries(1);
  await clock.advance(2000);
  await silent.untilQueries(2);
  await clock.advance(5000);
  assert.deepEqual(await answer, { kind: "failure", reason: "127.0.0.1: no answer in time" });
  assert.equal(clock.pendingTimers, 0);
});

test("what does not fit comes by TCP", async () => {
  const many = Array.from({ length: 200 }, (_, index) => mx("big.test", index, `mx${index}.big.test`));
  const server = await FakeServer.start((query, transport) =>
    transport === "udp" ? respond(query, [], { flags: packet.TRUNCATED_RESPONSE }) : respond(query, many),
  );
  const { resolver } = resolverFor([server]);
  const answer = await resolver.query("big.test", "MX");
  assert.ok(answer.kind === "records");
  assert.equal(answer.records.length, 200);
  assert.deepEqual(
    server.queries.map(({ transport }) => transport),
    ["udp", "tcp"],
  );
});

test("forged answers are ignored: another id, another question, no response; the true one still counts", async () => {
  const server = await FakeServer.start((query) => {
    const forged = [a("x.test", "203.0.113.66")];
    const other = { ...query, questions: [{ type: "A" as const, name: "y.test" }] };
    return [
      packet.encode(respond({ ...query, id: ((query.id ?? 0) + 1) & 0xffff }, forged)),
      packet.encode(respond(other, forged)),
      packet.encode({ ...respond(query, forged), type: "query" }),
      Buffer.from("short"),
      packet.encode(respond(query, [a("other.test", "203.0.113.66"), a("x.test", "192.0.2.1")])),
    ];
  });
  const { resolver } = resolverFor([server]);
  const answer = await resolver.query("x.test", "A");
  assert.ok(answer.kind === "records");
  assert.deepEqual(answer.records, ["192.0.2.1"]);
});

test("a storm of forged answers makes us ask by TCP", async () => {
  const server = await FakeServer.start((query, transport) =>
    transport === "tcp"
      ? respond(query, [a("x.test", "192.0.2.1")])
      : Array.from({ length: 20 }, (_, guess) =>
          packet.encode(respond({ ...query, id: ((query.id ?? 0) ^ (guess + 1)) & 0xffff }, [])),
        ),
  );
  const { resolver } = resolverFor([server]);
  assert.equal((await resolver.query("x.test", "A")).kind, "records");
  assert.equal(server.queries.at(-1)?.transport, "tcp");
});

test("ids and source ports change from query to query", async () => {
  const server = await FakeServer.start((query) => respond(query, [], { rcode: 3 }));
  const { resolver } = resolverFor([server]);
  for (let index = 0; index < 8; index++) await resolver.query(`${index}.test`, "A");
  assert.ok(new Set(server.queries.map(({ query }) => query.id)).size >= 7);
  assert.ok(new Set(server.queries.map(({ port }) => port)).size >= 4);
});

test("SEC-002: the AD bit of a server on this machine is kept, for answers of every kind", async () => {
  const server = await FakeServer.start((query) =>
    respond(query, [a(query.questions?.[0]?.name ?? "", "192.0.2.1")], { flags: packet.AUTHENTIC_DATA }),
  );
  const { resolver } = resolverFor([server]);
  const answer = await resolver.query("x.test", "A");
  assert.equal(answer.kind === "records" && answer.secure, true);
  server.answering = (query) => respond(query, [], { rcode: 3, flags: packet.AUTHENTIC_DATA });
  const gone = await resolver.query("y.test", "A");
  assert.equal(gone.kind === "no-name" && gone.secure, true);
});

test("a server that stumbles over EDNS is asked without it", async () => {
  const server = await FakeServer.start((query) =>
    (query.additionals?.length ?? 0) > 0
      ? respond(query, [], { rcode: 1, questions: [] })
      : respond(query, [a("x.test", "192.0.2.1")]),
  );
  const { resolver } = resolverFor([server]);
  assert.equal((await resolver.query("x.test", "A")).kind, "records");
  assert.equal(server.queries.length, 2);
});

test("the answer BADVERS is not taken for an empty one", async () => {
  const server = await FakeServer.start((query) =>
    respond(query, [], {
      additionals: [
        {
          type: "OPT",
          name: ".",
          udpPayloadSize: 1232,
          extendedRcode: 1,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: [],
        },
      ],
    }),
  );
  const { resolver } = resolverFor([server]);
  assert.equal((await resolver.query("x.test", "MX")).kind, "failure");
});

test("a TLSA record of three octets is read, a cut one is a failure, and neither throws (Postfix 20260531)", async () => {
  const record = (data: number[]) => [0xc0, 0x0c, 0, 52, 0, 1, 0, 0, 0, 60, 0, data.length, ...data];
  const server = await FakeServer.start((query) => {
    const head = packet.encode(respond(query, []));
    head.writeUInt16BE(1, 6);
    const short = query.questions?.[0]?.name.startsWith("cut") ? [3, 1] : [3, 1, 1];
    return Buffer.concat([head, Buffer.from(record(short))]);
  });
  const { resolver } = resolverFor([server]);
  const whole = await resolver.query("_25._tcp.x.test", "TLSA");
  assert.ok(whole.kind === "records");
  assert.deepEqual(whole.records, [{ usage: 3, selector: 1, matching: 1, data: new Uint8Array() }]);
  assert.equal((await resolver.query("cut.x.test", "TLSA")).kind, "failure");
});

test("garbage in any shape is an answer of ours, never an exception", async () => {
  const random = new SeededRandom(20_260_101);
  const server = await FakeServer.start((query) => {
    const whole = packet.encode(
      respond(query, [mx("x.test", 10, "mx.x.test"), cname("x.test", "y.test"), a("y.test", "192.0.2.1")], {
        authorities: [soa(60)],
      }),
    );
    const cut = whole.subarray(0, 12 + Math.floor(random.next() * (whole.length - 12)));
    for (let damage = 0; damage < 6; damage++) {
      // Behind the id, with the response bit kept: what a broken server may send.
      const at = 3 + Math.floor(random.next() * (whole.length - 3));
      whole[at] = Math.floor(random.next() * 256);
    }
    return [random.next() < 0.3 ? cut : whole, packet.encode(respond(query, [], { rcode: 2 }))];
  });
  const { resolver } = resolverFor([server]);
  const kinds = new Set<string>();
  for (let round = 0; round < 300; round++) {
    kinds.add(
      (await resolver.query(`${round}.x.test`.slice(-6), (["MX", "A", "TXT", "TLSA"] as const)[round % 4] ?? "A")).kind,
    );
    resolver.clearCache();
  }
  assert.ok(kinds.has("failure"));
  assert.ok([...kinds].every((kind) => ["records", "no-data", "no-name", "failure"].includes(kind)));
});

test("names that cannot be asked do not exist; localhost is known here; neither leaves the machine", async () => {
  const server = await FakeServer.start((query) => respond(query, []));
  const { resolver } = resolverFor([server]);
  for (const name of ["", "a..b", `${"a".repeat(64)}.test`, `${"a.".repeat(127)}test`, "bücher.test", "a b.test"]) {
    assert.equal((await resolver.query(name, "MX")).kind, "no-name", name);
  }
  const local = await resolver.query("localhost", "A");
  assert.deepEqual(local.kind === "records" && local.records, ["127.0.0.1"]);
  assert.equal((await resolver.query("localhost", "MX")).kind, "no-data");
  assert.equal(server.queries.length, 0);
});

test("the cache stays within its size, and the longest unused goes first", async () => {
  const server = await FakeServer.start((query) => respond(query, [a(query.questions?.[0]?.name ?? "", "192.0.2.1")]));
  const { resolver, clock } = resolverFor([server], { cacheBytesMax: 2000 });
  for (const name of ["a.test", "b.test", "c.test", "a.test", "d.test", "a.test"]) {
    await resolver.query(name, "A");
    await clock.advance(1000);
  }
  assert.deepEqual(server.asked, ["A a.test", "A b.test", "A c.test", "A d.test"]);
});

test("more questions than sockets wait for their turn, and all are answered", async () => {
  const server = await FakeServer.start((query) => respond(query, [a(query.questions?.[0]?.name ?? "", "192.0.2.1")]));
  const { resolver } = resolverFor([server]);
  const answers = await Promise.all(Array.from({ length: 400 }, (_, index) => resolver.query(`${index}.test`, "A")));
  assert.ok(answers.every(({ kind }) => kind === "records"));
});

test("one client's look-ups that nobody answers do not keep another's from being asked", async () => {
  const server = await FakeServer.start((query) => {
    const name = query.questions?.[0]?.name ?? "";
    return name.endsWith(".slow.test") ? undefined : respond(query, [a(name, "192.0.2.1")]);
  });
  const { resolver, clock } = resolverFor([server]);
  const flood = Array.from({ length: 40 }, (_, message) => {
    const asker = { purpose: "inbound", client: "203.0.113.1", message: {} } as const;
    return Array.from({ length: 30 }, (_, count) => resolver.query(`n${message}-${count}.slow.test`, "A", { asker }));
  }).flat();
  await server.untilQueries(64);
  const asker = { purpose: "inbound", client: "198.51.100.1", message: {} } as const;
  assert.equal((await resolver.query("good.test", "A", { asker })).kind, "records");
  const delivery = { purpose: "outbound", client: "far.test" } as const;
  assert.equal((await resolver.query("mx.far.test", "A", { asker: delivery })).kind, "records");
  // While others wait, a question that nobody answers has one round; then all are asked or have waited in vain.
  await clock.advance(2000);
  await server.untilQueries(64 + 2 + 64);
  let settled = 0;
  for (const answer of flood) void answer.then(() => settled++);
  while (settled < flood.length) await clock.advance(1000);
  assert.ok((await Promise.all(flood)).every(({ kind }) => kind === "failure"));
  assert.equal(clock.pendingTimers, 0);
});
