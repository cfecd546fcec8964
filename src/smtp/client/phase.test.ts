/** The table of phases against servers that say anything at any time: each of its rows occurs, and nothing else does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clientTransitions, type ClientPhase } from "./phase.ts";
import { ClientProtocol } from "./protocol.ts";
import { standardTimeouts } from "./timeouts.ts";

/** A generator of numbers from 0 to 1 (mulberry32): the same seed, the same conversations. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a server says in a phase when it does as it should, or refuses. */
const fitting: Readonly<Record<ClientPhase["kind"], readonly string[]>> = {
  new: ["220 mx.test\r\n"],
  greeting: ["220 mx.test\r\n", "220 mx.test\r\n", "220 mx.test\r\n", "554 no\r\n"],
  greeted: [""],
  hello: [
    "250 mx.test\r\n",
    "250-mx.test\r\n250 PIPELINING\r\n",
    "250-mx.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 AUTH PLAIN\r\n",
    "250-mx.test\r\n250-CHUNKING\r\n250-STARTTLS\r\n250 AUTH LOGIN\r\n",
    "250-mx.test\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 AUTH LOGIN PLAIN\r\n",
    "502 what?\r\n",
    "450 later\r\n",
  ],
  starttls: ["220 go\r\n", "454 no\r\n"],
  handshake: [""],
  authentication: ["334 VXNlcm5hbWU6\r\n", "235 ok\r\n", "535 no\r\n"],
  ready: [""],
  reset: ["250 ok\r\n"],
  mail: ["250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "550 no\r\n"],
  recipient: ["250 ok\r\n", "250 ok\r\n", "550 no\r\n", "452 too many\r\n"],
  data: ["354 go\r\n", "354 go\r\n", "554 no\r\n"],
  content: ["", "", "250 ok\r\n", "552 too big\r\n"],
  final: ["250 ok\r\n", "250 ok\r\n", "552 too big\r\n"],
  "no-content": ["554 nobody\r\n", "250 ok\r\n"],
  refused: ["250 stay\r\n"],
  quitting: ["221 bye\r\n"],
  closed: ["250 ok\r\n"],
};

const hostile = ["250 ok\r\n", "354 go\r\n", "334 \r\n", "421 bye\r\n", "500 x\r\n", "25", "x\r\n", "220-a\r\n", "\n"];

const content = Buffer.from("Subject: x\r\n\r\n.dot\r\nend\r\n");

type Call = readonly [event: string, make: (core: ClientProtocol) => void];

/** One session; `rows` is told each change. Throws where the core does. */
class Conversation {
  readonly #random: () => number;
  readonly #core: ClientProtocol;
  #phase: ClientPhase = { kind: "new" };
  #now = 0;
  #contentLeft = 0;

  constructor(random: () => number, rows: Set<string>) {
    this.#random = random;
    this.#core = new ClientProtocol({
      dialect: this.#pick(["smtp", "smtp", "lmtp"]),
      heloName: "our.test",
      timeouts: standardTimeouts,
      observePhase: (before, event, after) => {
        assert.equal(before.kind, this.#phase.kind);
        this.#phase = after;
        rows.add(`${before.kind}, ${event}: ${after.kind}`);
      },
    });
  }

  run(): void {
    for (let turn = 0; turn < 60 && !this.#core.closed; turn++) {
      this.#now += 1000;
      this.#refuseOtherCalls();
      this.#act();
      while (this.#core.nextEvent() !== undefined);
      this.#core.takeOutput();
    }
    this.#core.endOfStream("reset", this.#now);
    while (this.#core.nextEvent() !== undefined);
    assert.ok(this.#core.closed);
    assert.equal(this.#core.deadline(), undefined);
    this.#core.abandon({ kind: "lost", command: "idle", detail: "once more" });
    assert.equal(this.#core.nextEvent(), undefined, "nothing follows the end");
  }

  #act(): void {
    const possible = this.#calls.filter(([event]) => this.#allows(event));
    const dice = this.#random();
    if (dice < 0.01) return this.#core.endOfStream(undefined, this.#now);
    if (dice < 0.02) return this.#core.handleDeadline((this.#now = this.#core.deadline() ?? this.#now));
    if (dice < 0.07) return this.#core.outputHeld();
    if (dice < 0.14) return this.#core.outputDrained(this.#now);
    if (dice < 0.6 && possible.length > 0) return this.#pick(possible)[1](this.#core);
    if (dice < 0.9 && this.#core.wantsContent && this.#contentLeft > 0) return this.#sendPiece();
    const replies = Array.from({ length: dice > 0.98 ? 2 : 1 }, () =>
      this.#pick(this.#random() < 0.95 ? fitting[this.#phase.kind] : hostile),
    );
    return this.#core.receive(Buffer.from(replies.join("")), this.#now);
  }

  /** A call that the table does not have in this phase throws, says nothing to the server, and changes nothing. */
  #refuseOtherCalls(): void {
    for (const [event, make] of this.#calls) {
      if (this.#allows(event)) continue;
      const phase = this.#phase;
      assert.throws(() => make(this.#core), new Error(`not possible while ${phase.kind}`));
      assert.equal(this.#phase, phase);
      assert.equal(this.#core.takeOutput(), undefined);
    }
  }

  #allows(event: string): boolean {
    return event in clientTransitions.rows[this.#phase.kind];
  }

  #sendPiece(): void {
    const length = Math.min(this.#contentLeft, this.#pick([3, 10, 100]));
    const at = content.length - this.#contentLeft;
    this.#contentLeft -= length;
    this.#core.content(content.subarray(at, at + length), this.#now);
  }

  #transact(core: ClientProtocol): void {
    const recipients = Array.from({ length: this.#pick([1, 3]) }, () => ({ address: "ann@example.org" }));
    const envelope = { reversePath: "", recipients, body: "7BIT", smtpUtf8: false, size: content.length } as const;
    const whole = { kind: "whole", parts: [content] } as const;
    core.transact({ envelope, content: this.#pick([whole, { kind: "stream" }]) }, this.#now);
    this.#contentLeft = content.length;
  }

  readonly #calls: readonly Call[] = [
    ["greet", (core) => core.greet(this.#now)],
    ["hello", (core) => core.hello(this.#now)],
    ["starttls", (core) => core.startTls(this.#now)],
    ["tls-established", (core) => core.tlsEstablished(this.#now)],
    ["authenticate", (core) => core.authenticate({ username: "u", password: "p" }, this.#now)],
    ["transact", (core) => this.#transact(core)],
    ["transact", (core) => this.#transact(core)],
    ["quit", (core) => core.quit(this.#now)],
  ];

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T;
  }
}

test("each row of the table occurs with hostile servers, no other change does, and no other call is taken", () => {
  const random = chance(1);
  const seen = new Set<string>();
  for (let session = 0; session < 2000; session++) new Conversation(random, seen).run();
  const declared = Object.entries(clientTransitions.rows).flatMap(([phase, row]) =>
    Object.entries(row).flatMap(([event, next]) => (next === "ignored" ? [] : [`${phase}, ${event}: ${next}`])),
  );
  assert.deepEqual([...seen].toSorted(), declared.toSorted());
});
