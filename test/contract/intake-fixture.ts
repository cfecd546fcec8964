/** What tests of the intake share: every origin with a message of its own, and ports that can be stopped at any moment. */
import assert from "node:assert/strict";
import { parseMailbox } from "../../src/address/mailbox-text.ts";
import type { BodyHashes } from "../../src/dkim/body-hashes.ts";
import type { Forwarding } from "../../src/forwarding/forwarding.ts";
import { envelopeOfLetter, originOfLetter } from "../../src/intake/compose-letter.ts";
import { Envelope } from "../../src/intake/envelope.ts";
import { Intake } from "../../src/intake/intake.ts";
import type { Letter } from "../../src/intake/letter.ts";
import type { ClientOrigin, ClientTrust, Origin } from "../../src/intake/origin.ts";
import type { HeaderSection } from "../../src/message/header-section.ts";
import { contentStages } from "../../src/policy/built-in-stages.ts";
import { PolicyChain } from "../../src/policy/policy-chain.ts";
import { SenderAuthentication } from "../../src/policy/authentication/sender-authentication.ts";
import type { Resolver } from "../../src/ports/resolver.ts";
import type { MessageSigning } from "../../src/signing/message-signing.ts";
import { QueueIds } from "../../src/spool/queue-id.ts";
import type { ClaimedMessage, MessageWriter, Spool } from "../../src/spool/spool.ts";
import { CollectingLog } from "../../src/testing/collecting-log.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { honestClient, senderSettings, senderZone } from "../../src/testing/sender-zone.ts";
import { type SpoolHarness, terms } from "./spool-fixture.ts";

export const hostname = "mail.example.net";

/** What a submission waits for. */
export type Wait = "append" | "dns" | "directory" | "signing" | "forwarding" | "terms" | "commit";

export interface OriginCase {
  readonly name: string;
  /** What a submission of it waits for, in this order. */
  readonly waits: readonly Wait[];
  readonly slices: readonly Buffer[];
  begin(bench: IntakeBench): { readonly origin: Origin; readonly envelope: Envelope };
}

const author = "From: ann@example.org\r\nMessage-ID: <1@example.org>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n";
const slices = [author, "Subject: Lunch\r\n\r\nShall we", "?\r\nAnn\r\n"].map((text) => Buffer.from(text));
const letterContent = Buffer.from(
  "From: Mail <mailer-daemon@mail.example.net>\r\nAuto-Submitted: auto-replied\r\nSubject: Told\r\n\r\nSo it is.\r\n",
);

function ofClient(trust: ClientTrust, listener: "mx" | "submission" | "lmtp", waitsFor: readonly Wait[]): OriginCase {
  return {
    name: trust === "known" ? "a program that is known" : `a ${trust}`,
    waits: waitsFor,
    slices,
    begin: ({ log, memory }) => {
      const login = trust === "submitter" ? { login: "ann@example.org" } : undefined;
      const facts = { listener, clientAddress: honestClient, hello: "mail.example.org", protocol: "ESMTP", ...login };
      const client = { listener, address: honestClient, relayNetwork: trust === "relay", ...login };
      const origin: ClientOrigin = { trust, client, facts, checkLineEnds: false, log, memory: memory.open() };
      const sender = parseMailbox("ann@example.org") ?? assert.fail();
      const envelope = new Envelope(sender, {});
      const away = parseMailbox("away@example.net") ?? assert.fail();
      const target = { address: "bob@far.test", domain: "far.test", key: "bob@far.test", elsewhere: true as const };
      envelope.add(away, {}, [target], {
        reason: "local-alias",
        rule: "recipient-existence",
        submitted: trust === "submitter",
      });
      return { origin, envelope };
    },
  };
}

function ofLetter(name: string, more: Partial<Letter>, event: "told" | "its own"): OriginCase {
  return {
    name,
    waits: ["append", "signing", "terms", "commit"],
    slices: [letterContent],
    begin: ({ harness: { clock }, ids }) => {
      const id = ids.next();
      const at = clock.now();
      const recipients = [{ address: "ann@example.org", domain: "example.org" }];
      const letter: Letter = { id, at, content: letterContent, reversePath: "", recipients, ...more };
      const about = { at, message: "M00000000001", report: id, recipients: ["bob@far.test"] };
      const queued = event === "told" && ({ kind: "report-queued", action: "failed", ...about } as const);
      const records = [{ kind: "put", namespace: "contract", key: id, value: "with the letter" }] as const;
      const origin = originOfLetter(letter, { records, ...(queued && { event: queued }) });
      return { origin, envelope: envelopeOfLetter(letter) };
    },
  };
}

/** Whoever brings mail. */
export const origins: readonly OriginCase[] = [
  ofClient("stranger", "mx", ["dns", "append", "forwarding", "terms", "commit"]),
  ofClient("known", "lmtp", ["append", "forwarding", "terms", "commit"]),
  ofClient("relay", "mx", ["append", "signing", "forwarding", "terms", "commit"]),
  ofClient("submitter", "submission", ["append", "directory", "signing", "terms", "commit"]),
  ofLetter("a report of ours", { reportOn: "M00000000001" }, "told"),
  ofLetter("an aggregate report of ours", { reversePath: "reports@example.net" }, "its own"),
];

/** What clients hold, and how many of them still do. */
class Memory {
  held = 0;
  open() {
    let own = 0;
    let isOver = false;
    return {
      hold: (octets: number) => {
        if (!isOver) own += octets;
        if (!isOver) this.held += octets;
        return true;
      },
      release: () => {
        isOver = true;
        this.held -= own;
        own = 0;
      },
    };
  }
}

/** An intake whose every wait can be held, or made to fail. */
export class IntakeBench {
  readonly harness: SpoolHarness;
  readonly log = new CollectingLog();
  readonly memory = new Memory();
  readonly ids: QueueIds;
  readonly intake: Intake;
  /** What the queue was told. */
  readonly handed: (ClaimedMessage | undefined)[] = [];
  /** What was waited for so far, each once. */
  readonly waited: Wait[] = [];
  /** Whatever is noted of a message after its commit throws. */
  notesFail = false;
  /** Writers that were neither committed nor given up. */
  openWriters = 0;
  readonly #held = new Map<Wait, PromiseWithResolvers<void>>();
  readonly #reached = new Map<Wait, PromiseWithResolvers<void>>();
  #failure: { readonly wait: Wait; readonly error: Error } | undefined;

  constructor(harness: SpoolHarness) {
    this.harness = harness;
    const { clock } = harness;
    const random = new SeededRandom(3);
    this.ids = new QueueIds(clock, random);
    const zone = senderZone();
    const resolver: Resolver = {
      query: async (name, type, options) => (await this.#pass("dns"), await zone.query(name, type, options)),
    };
    this.intake = new Intake(
      {
        ...{ clock, random, ids: this.ids, signing: this.#signing(), forwarding: this.#forwarding() },
        spool: { begin: () => this.#writer(harness.spool.begin()) },
        policy: new PolicyChain(
          contentStages({ accounts: { mayUse: async () => (await this.#pass("directory"), true) } }),
        ),
        admission: { claimTerms: async () => (await this.#pass("terms"), terms) },
        queue: { accepted: (claimed) => this.handed.push(claimed) },
        reporter: { expandedReport: () => Promise.resolve(undefined) },
        evaluations: { note: () => this.#noted() },
        authentication: new SenderAuthentication({ resolver, clock, log: this.log }, senderSettings()),
      },
      { hostname, hopLimit: 100, headerBytesMax: 64 * 1024 },
    );
  }

  /** Whoever waits for this goes on only after {@link open}. */
  hold(wait: Wait): void {
    this.#held.set(wait, Promise.withResolvers());
    this.#reached.set(wait, Promise.withResolvers());
  }

  async reached(wait: Wait): Promise<void> {
    await this.#reached.get(wait)?.promise;
  }

  open(): void {
    for (const { resolve } of this.#held.values()) resolve();
  }

  /** From now on this fails, and nothing else. */
  fail(wait: Wait, error: Error): void {
    this.#failure = { wait, error };
  }

  /** As a driver brings it: each push is waited for. */
  async bring({ begin, slices: pieces }: OriginCase) {
    const { origin, envelope } = begin(this);
    const submission = this.intake.begin(origin, envelope);
    const drive = async () => {
      for (const piece of pieces) {
        const refusal = await submission.push([Buffer.from(piece)]);
        if (refusal !== undefined) return refusal;
      }
      return await submission.finish();
    };
    return { submission, outcome: drive() };
  }

  /** Recipients that the spool knows, of whatever state. */
  async recipients(spool: Spool = this.harness.spool): Promise<number> {
    const states = ["scheduled", "claimed", "held", "delivered", "relayed", "failed", "expired", "removed"] as const;
    return (await spool.find({ states }, { limit: 100 })).length;
  }

  #noted(): void {
    if (this.notesFail) throw new Error("it cannot be noted");
  }

  async #pass(wait: Wait): Promise<void> {
    if (!this.waited.includes(wait)) this.waited.push(wait);
    this.#reached.get(wait)?.resolve();
    await this.#held.get(wait)?.promise;
    if (this.#failure?.wait === wait) throw this.#failure.error;
  }

  #writer(inner: MessageWriter): MessageWriter {
    this.openWriters++;
    let isOpen = true;
    const close = () => {
      if (isOpen) this.openWriters--;
      isOpen = false;
    };
    const abort = async () => {
      close();
      await inner.abort();
    };
    return {
      get size() {
        return inner.size;
      },
      append: async (bytes) => {
        await inner.append(bytes);
        await this.#pass("append");
      },
      commit: async (message, options) => {
        try {
          await this.#pass("commit");
        } catch (error) {
          await inner.abort();
          throw error;
        } finally {
          close();
        }
        return await inner.commit(message, options);
      },
      abort,
      [Symbol.asyncDispose]: abort,
    };
  }

  #signing(): MessageSigning {
    return {
      begin: (_header: HeaderSection, bodies: BodyHashes) => {
        const hash = bodies.request("simple", "sha256");
        return {
          finish: async () => {
            await this.#pass("signing");
            return `DKIM-Signature: l=${hash.canonicalLength}; d=example.net; s=k;\r\n`;
          },
        };
      },
    };
  }

  #forwarding(): Forwarding {
    return {
      begin: () => ({
        finish: async () => {
          await this.#pass("forwarding");
          return { form: { reversePath: "srs0=x@example.net", headerBlock: "ARC-Seal: i=1\r\n" } };
        },
      }),
      reverse: () => undefined,
    };
  }
}
