/** The phases of a session: every transition of the table happens in a conversation, and no other one does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { reply } from "../reply.ts";
import type { VerdictEvent } from "./event.ts";
import { type PhaseEvent, type ServerPhase, serverTransitions } from "./phase.ts";
import type { ServerProtocolSettings } from "./protocol-settings.ts";
import { Conversation, type Judge, type JudgeAnswer } from "../../testing/server-conversation.ts";

type Kind = ServerPhase["kind"];

const no = reply(550, "5.7.1", "No");
const offered = {
  tlsAvailable: true,
  authMechanisms: { clear: ["PLAIN"], tls: ["PLAIN"] },
  messageBytesMax: 100,
  xclient: true,
} as const satisfies Partial<ServerProtocolSettings>;

/** A conversation whose verdicts are "yes" unless told otherwise, and which writes down each change of phase. */
class Scene {
  readonly changes: (readonly [Kind, PhaseEvent, Kind])[] = [];
  readonly #conversation: Conversation;
  #answers: Partial<Record<VerdictEvent["kind"], JudgeAnswer>> = { connect: "wait" };

  constructor() {
    const observePhase = (...change: [Kind, PhaseEvent, Kind]) => this.changes.push(change);
    this.#conversation = new Conversation({ ...offered, observePhase }, ({ kind }) => this.#answers[kind] ?? "proceed");
  }

  /** Sends lines; the last is not ended. */
  send(...lines: string[]): this {
    this.#conversation.send(lines.join("\r\n"));
    return this;
  }

  decide(verdict: Exclude<JudgeAnswer, "wait">): this {
    this.#conversation.decide(verdict);
    return this;
  }

  /** The verdict on the events of this kind from now on. */
  will(kind: VerdictEvent["kind"], answer: JudgeAnswer): this {
    this.#answers[kind] = answer;
    return this;
  }

  get core(): Conversation["core"] {
    return this.#conversation.core;
  }
}

const challenge = { challenge: Buffer.from("?") };

/** What leads to each phase. */
const reach: Readonly<Record<Kind, (scene: Scene) => Scene>> = {
  greeting: (scene) => scene,
  connected: (scene) => scene.decide("proceed"),
  greeted: (scene) => reach.connected(scene).send("EHLO x", ""),
  transaction: (scene) => reach.greeted(scene).send("MAIL FROM:<a@b>", ""),
  recipients: (scene) => reach.transaction(scene).send("RCPT TO:<c@d>", ""),
  content: (scene) => reach.recipients(scene).send("DATA", ""),
  chunks: (scene) => reach.recipients(scene).send("BDAT 1", "x"),
  auth: (scene) => reach.greeted(scene).will("auth", challenge).send("AUTH PLAIN", ""),
  "tls-handshake": (scene) => reach.greeted(scene).send("STARTTLS", ""),
  refused: (scene) => scene.decide(no),
  closed: (scene) => reach.connected(scene).send("QUIT", ""),
};

/** Ways in which an event comes in a phase. */
type Ways = Partial<Record<Kind, readonly ((scene: Scene) => unknown)[]>>;

const hello = [(scene: Scene) => scene.send("EHLO x", ""), (scene: Scene) => scene.send("HELO x", "")];
const reset = [(scene: Scene) => scene.send("RSET", "")];
const xclient = [(scene: Scene) => scene.send("XCLIENT ADDR=192.0.2.1", "")];
const lost = [(scene: Scene) => scene.core.connectionLost(0)];
const quit = [...lost, (scene: Scene) => scene.send("QUIT", "")];

const ways: Readonly<Record<PhaseEvent, Ways>> = {
  connect: { greeting: [(scene) => scene.decide("proceed")] },
  "refuse-service": {
    greeting: [(scene) => scene.decide(no)],
    "tls-handshake": [(scene) => scene.core.tlsEstablished(0, { refusal: no })],
  },
  hello: { connected: hello, greeted: hello, transaction: hello, recipients: hello, chunks: hello },
  mail: { greeted: [(scene) => scene.send("MAIL FROM:<>", "")] },
  recipient: {
    transaction: [(scene) => scene.send("RCPT TO:<e@f>", "")],
    recipients: [(scene) => scene.send("RCPT TO:<e@f>", "")],
  },
  reset: { connected: reset, greeted: reset, transaction: reset, recipients: reset, chunks: reset },
  "begin-content": {
    recipients: [
      (scene) => scene.send("DATA", ""),
      (scene) => scene.send("BDAT 1", ""),
      (scene) => scene.send("BDAT 1 LAST", ""),
    ],
  },
  "refuse-content": {
    recipients: [
      (scene) => scene.will("content-begin", no).send("DATA", ""),
      (scene) => scene.will("content-begin", no).send("BDAT 3", "abc"),
    ],
    content: [
      (scene) => scene.send("bare\nline", ".", ""),
      (scene) => scene.send("x".repeat(101), ".", ""),
      (scene) => {
        scene.core.refuseContent(no);
        scene.send(".", "");
      },
    ],
  },
  "end-chunk": { content: [(scene) => scene.send(".", "").send("MAIL FROM:<>", "RCPT TO:<c@d>", "BDAT 2", "ab")] },
  "next-chunk": { chunks: [(scene) => scene.send("BDAT 2", "a"), (scene) => scene.send("BDAT 2 LAST", "a")] },
  "end-content": {
    content: [
      (scene) => scene.send("text", ".", ""),
      (scene) => scene.will("content-end", no).send(".", ""),
      (scene) => scene.send(".", "").send("MAIL FROM:<>", "RCPT TO:<c@d>", "BDAT 2 LAST", "ab"),
    ],
  },
  challenge: { greeted: [(scene) => scene.will("auth", challenge).send("AUTH PLAIN", "")] },
  response: { auth: ["YQ==", "*", "=?", "x".repeat(20_000)].map((line) => (scene: Scene) => scene.send(line, "")) },
  starttls: { greeted: [(scene) => scene.send("STARTTLS", "")] },
  xclient: { connected: xclient, greeted: xclient },
  tls: { "tls-handshake": [(scene) => scene.core.tlsEstablished(0)] },
  close: {
    ...{ greeting: lost, connected: quit, greeted: quit, transaction: quit, recipients: quit, content: lost },
    ...{ chunks: quit, auth: lost, "tls-handshake": lost, refused: quit, closed: quit },
  },
};

for (const [from, row] of Object.entries(serverTransitions.rows) as [Kind, Partial<Record<PhaseEvent, Kind>>][]) {
  for (const [event, to] of Object.entries(row) as [PhaseEvent, Kind | "ignored"][]) {
    test(`"${event}" in the phase "${from}": ${to}`, () => {
      const found = ways[event][from];
      assert.ok(found !== undefined, "no conversation shows it");
      for (const way of found) {
        const scene = reach[from](new Scene());
        assert.equal(scene.changes.at(-1)?.[2] ?? "greeting", from);
        const before = scene.changes.length;
        way(scene);
        if (to === "ignored") assert.equal(scene.changes.length, before);
        else assert.deepEqual(scene.changes.at(-1), [from, event, to]);
      }
    });
  }
}

test("every way that is played here is in the table", () => {
  for (const [event, phases] of Object.entries(ways) as [PhaseEvent, Ways][]) {
    for (const phase of Object.keys(phases) as Kind[]) {
      assert.notEqual(serverTransitions.transition(phase, event), "fault", `${event} in ${phase}`);
    }
  }
});

test("a challenge to what is no login is a fault of the driver, and changes nothing", () => {
  const scene = reach.connected(new Scene()).will("hello", "wait").send("EHLO x", "");
  assert.throws(() => scene.decide(challenge), { message: '"challenge" cannot come in the state "connected"' });
  assert.deepEqual(scene.changes, [["greeting", "connect", "connected"]]);
});

const input = fc.constantFrom(
  ...["EHLO x\r\n", "HELO x\r\n", "LHLO x\r\n", "MAIL FROM:<a@b>\r\n", "MAIL FROM:<> BODY=BINARYMIME\r\n"],
  ...[
    "RCPT TO:<c@d>\r\n",
    "DATA\r\n",
    ".\r\n",
    "text\r\n",
    "bare\n",
    "BDAT 5\r\n",
    "BDAT 3 LAST\r\n",
    "BDAT 0 LAST\r\n",
  ],
  ...["BDAT x\r\n", "RSET\r\n", "NOOP\r\n", "QUIT\r\n", "STARTTLS\r\n", "AUTH PLAIN\r\n", "AUTH PLAIN AGEAYg==\r\n"],
  ...["*\r\n", "YQ==\r\n", "VRFY x\r\n", "what\r\n", "\r\n", "x".repeat(150)],
);
const verdicts = fc.array(
  fc.oneof({ weight: 8, arbitrary: fc.constant("yes" as const) }, fc.constantFrom("no", "421", "challenge")),
);
const driver = fc.constantFrom("tls", "weak-tls", "lost", "end", "silence", "shutdown", "give-up");
const steps = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: input.map((octets) => ({ octets })) },
    { weight: 1, arbitrary: driver.map((does) => ({ does })) },
  ),
  { maxLength: 40 },
);
type Step = { readonly octets: string } | { readonly does: string };

function play(conversation: Conversation, step: Step): void {
  const { core, now } = conversation;
  if ("octets" in step) conversation.send(step.octets);
  else if (step.does === "tls") core.tlsEstablished(now);
  else if (step.does === "weak-tls") core.tlsEstablished(now, { refusal: no });
  else if (step.does === "lost") core.connectionLost(now);
  else if (step.does === "end") conversation.end();
  else if (step.does === "silence") conversation.pass(300_000);
  else if (step.does === "shutdown") conversation.shutdown();
  else core.refuseContent(no);
}

test("fuzz: whatever a client and a driver do, each change of phase is in the table and begins where the last one ended", () => {
  const kinds = fc.constantFrom<ServerProtocolSettings["kind"]>("mx", "submission", "lmtp");
  fc.assert(
    fc.property(kinds, fc.boolean(), steps, verdicts, (kind, repairs, played, given) => {
      let at = "greeting" as Kind;
      const observePhase = (from: Kind, event: PhaseEvent, to: Kind) => {
        assert.equal(from, at);
        assert.equal(serverTransitions.transition(from, event), to);
        at = to;
      };
      const answers = given.values();
      const judge: Judge = ({ kind: asked }) => {
        const answer = answers.next().value ?? "yes";
        if (answer === "no") return no;
        if (answer === "421") return reply(421, "4.3.2", "Later");
        return answer === "challenge" && asked.startsWith("auth") ? challenge : "proceed";
      };
      const bareLineEnds = repairs ? "repair" : "refuse";
      const conversation = new Conversation({ ...offered, kind, bareLineEnds, observePhase }, judge);
      for (const step of played) play(conversation, step);
      conversation.end();
      if (at === "tls-handshake") conversation.core.connectionLost(conversation.now);
      assert.equal(at, "closed");
    }),
    { numRuns: 3000 },
  );
});
