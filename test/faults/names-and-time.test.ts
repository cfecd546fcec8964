/** DNS that does not answer, or comes back, and a clock that somebody sets: mail waits, and is not lost or hammered. */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import packet from "dns-packet";
import { startSink } from "../interop/support/sink.ts";
import { FaultyServer, skip } from "./support/faulty-server.ts";

const dayMs = 86_400_000;

/** Hears questions and says nothing, until it is told what to answer. */
class NameServer {
  readonly socket: Socket;
  /** Questions that were heard. */
  asked = 0;
  #heard: (() => void)[] = [];
  /** Silent while undefined. */
  answer: ((name: string, type: string) => packet.Answer[]) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("message", (bytes, from) => {
      this.asked++;
      for (const wake of this.#heard.splice(0)) wake();
      const { id, questions = [] } = packet.decode(bytes);
      const [question] = questions;
      if (this.answer === undefined || question === undefined) return;
      const answers = this.answer(question.name, question.type);
      const flags = packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE;
      socket.send(packet.encode({ type: "response", id: id ?? 0, flags, questions, answers }), from.port, from.address);
    });
  }

  static async open(port = 0): Promise<NameServer> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(port, "127.0.0.1", resolve));
    return new NameServer(socket);
  }

  get port(): number {
    return this.socket.address().port;
  }

  /** The next question. */
  heard(): Promise<void> {
    return new Promise((resolve) => this.#heard.push(resolve));
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.socket.close(() => resolve()));
  }
}

/** Mail for others goes by MX; `away.test` has its host on this machine. */
function byNames(dnsPort: number, sinkPort: number): string {
  return `
    [dns]
    servers = ["127.0.0.1:${dnsPort}"]
    [[route]]
    domain = "away.test"
    via = "relay"
    host = "mail.away.test:${sinkPort}"
    [queue]
    retry = ["1s"]
  `;
}

const addresses = (name: string, type: string): packet.Answer[] =>
  type === "A" && name === "mail.away.test" ? [{ type: "A", name, data: "127.0.0.1", ttl: 60 }] : [];

test(
  "DNS that never answers holds up neither sessions nor local mail; when it answers, what waited goes",
  { skip },
  async () => {
    await using sink = await startSink();
    const names = await NameServer.open();
    try {
      await using server = await FaultyServer.start({ configuration: byNames(names.port, sink.port) });
      const client = await server.client();
      const asked = names.heard();
      assert.match(await server.offer(client, 2000), /^250/);
      await asked;
      assert.match(await server.offer(client, 2000, "ann@example.org"), /^250/);
      const delivered = await server.process.event("recipient-delivered");
      assert.equal(delivered["recipient"], "ann@example.org");
      assert.equal(sink.seen.size, 0);
      names.answer = addresses;
      await server.process.event("recipient-relayed");
      assert.deepEqual([...sink.seen], [["far@away.test", 1]]);
    } finally {
      await names.close();
    }
  },
);

test(
  "a resolver that is restarted: mail is deferred while it is away, told why, and goes once it is back",
  { skip },
  async () => {
    await using sink = await startSink();
    const names = await NameServer.open();
    const { port } = names;
    await names.close();
    await using server = await FaultyServer.start({ configuration: byNames(port, sink.port) });
    const client = await server.client();
    assert.match(await server.offer(client, 2000), /^250/);
    const deferred = await server.process.event("recipient-deferred");
    assert.match(JSON.stringify(deferred), /4\.4\.3/);
    const again = await NameServer.open(port);
    again.answer = addresses;
    try {
      await server.process.event("recipient-relayed");
      assert.deepEqual([...sink.seen], [["far@away.test", 1]]);
    } finally {
      await again.close();
    }
  },
);

test(
  "a clock set back and forward: sessions go on, mail is taken and delivered, what waits is kept",
  { skip },
  async () => {
    await using server = await FaultyServer.start({ trouble: "clock /dev/null" });
    const file = join(server.folder.path, "clock");
    await server.restart({ trouble: `clock ${file}` });
    const setClock = async (aheadMs: number, client: Awaited<ReturnType<typeof server.client>>) => {
      writeFileSync(file, `${aheadMs}`);
      server.process.signal("SIGUSR2");
      // Its signal handler runs before it answers what comes after.
      await client.expect("NOOP", "250");
      await client.expect("NOOP", "250");
    };
    const client = await server.client();
    assert.match(await server.offer(client, 2000), /^250/);
    await server.process.event("recipient-deferred");
    let delivered = 0;
    for (const aheadMs of [-dayMs, dayMs, -2 * dayMs, 0]) {
      await setClock(aheadMs, client);
      assert.match(await server.offer(client, 2000), /^250/);
      assert.match(await server.offer(client, 2000, "ann@example.org"), /^250/);
      await server.process.event("recipient-delivered", ++delivered);
    }
    assert.deepEqual(server.process.of("internal-error"), []);
    // Nothing expired, bounced or was tried in a loop.
    assert.deepEqual(server.process.of("recipient-failed"), []);
    assert.ok(server.process.of("recipient-deferred").length < 5 + 20);
    await server.assertNothingLost();
  },
);
