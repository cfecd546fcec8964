/**
 * Real threads and real files. A mailbox hangs as a network file system does: a call to the system does not come back. Here
 * it is the opening of a pipe that nobody reads.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  constants,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { NodeFiles } from "../../node/files/node-files.ts";
import { SystemClock } from "../../node/process/system-clock.ts";
import { MaildirDelivery } from "../../outbound/maildir-delivery.ts";
import type { MaildirStore } from "../../outbound/maildir-store.ts";
import type { DeliveryJob, DeliveryResult } from "../../queue/delivery-agent.ts";
import { SpoolError } from "../../spool/spool.ts";
import { CollectingLog } from "../../testing/collecting-log.ts";
import { deliveryJob } from "../../testing/delivery-fixture.ts";
import { maildirThreadsMax, openMaildirThreads } from "./open-maildir-threads.ts";

const signal = new AbortController().signal;

class Mailboxes implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "posthaste-maildirs-"));
  readonly store: MaildirStore = openMaildirThreads(new SystemClock());
  readonly agent = new MaildirDelivery({ store: this.store, log: new CollectingLog() }, { hostname: "mx.test" });
  readonly #pipes: string[] = [];
  readonly #readers: number[] = [];

  job(user: string, more: Partial<Parameters<typeof deliveryJob>[0]> = {}): DeliveryJob {
    const hop = { kind: "maildir", site: "maildir", path: `${this.folder}/{user}`, description: "maildir" } as const;
    return deliveryJob({ hop, to: [`${user}@local.test`], content: "Subject: x\r\n\r\nhello\r\n", ...more });
  }

  /** Junk for this user does not come back from the system. */
  hang(user: string): Promise<DeliveryResult> {
    const pipe = join(this.folder, user, ".Junk", "maildirfolder");
    mkdirSync(join(pipe, ".."), { recursive: true });
    execFileSync("mkfifo", [pipe]);
    this.#pipes.push(pipe);
    return this.agent.deliver(this.job(user, { message: { junk: true } }), { signal });
  }

  /** What hangs goes on; what would hang from here on does not. */
  release(): void {
    for (const pipe of this.#pipes.splice(0)) {
      this.#readers.push(openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    await this.agent.close();
    for (const reader of this.#readers) closeSync(reader);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function kindOf({ outcomes }: DeliveryResult): string | undefined {
  return outcomes[0]?.outcome.kind;
}

test("mailboxes that hang, one less than there are threads: another mailbox gets its mail, and other files are written", async () => {
  await using mailboxes = new Mailboxes();
  const hanging = Array.from({ length: maildirThreadsMax - 1 }, (_, index) => mailboxes.hang(`slow${index}`));
  let isOver = false;
  void Promise.race(hanging).then(() => (isOver = true));
  // A second message for a mailbox that hangs takes no other thread.
  const second = mailboxes.agent.deliver(mailboxes.job("slow0"), { signal });
  for (let count = 0; count < 3; count++) {
    assert.equal(kindOf(await mailboxes.agent.deliver(mailboxes.job("ann"), { signal })), "delivered");
  }
  await new NodeFiles().replaceFile(join(mailboxes.folder, "content"), Buffer.from("content"));
  assert.equal(isOver, false);
  mailboxes.release();
  assert.deepEqual((await Promise.all([...hanging, second])).map(kindOf).slice(-1), ["delivered"]);
});

test("when every thread hangs, mail for other mailboxes waits, and everything else goes on", async () => {
  await using mailboxes = new Mailboxes();
  const hanging = Array.from({ length: maildirThreadsMax }, (_, index) => mailboxes.hang(`slow${index}`));
  let isDelivered = false;
  const other = mailboxes.agent.deliver(mailboxes.job("ann"), { signal }).then((result) => {
    isDelivered = true;
    return kindOf(result);
  });
  const files = new NodeFiles();
  for (let count = 0; count < 10; count++) {
    await files.replaceFile(join(mailboxes.folder, `content${count}`), Buffer.from("content"));
  }
  assert.equal(isDelivered, false);
  mailboxes.release();
  assert.equal(await other, "delivered");
  await Promise.all(hanging);
});

test("small and large content is written as it is, and a message that is there already is not written again", async () => {
  await using mailboxes = new Mailboxes();
  for (const size of [10, 256 * 1024, 300_000, 5_000_000]) {
    const user = `user${size}`;
    const content = `Subject: x\r\n\r\n${"y".repeat(size)}\r\n`;
    for (let attempt = 0; attempt < 2; attempt++) {
      const job = mailboxes.job(user, { content, chunkBytes: 100_000, message: { size } });
      assert.equal(kindOf(await mailboxes.agent.deliver(job, { signal })), "delivered");
    }
    const folder = join(mailboxes.folder, user, "new");
    const [name, ...others] = readdirSync(folder);
    assert.deepEqual(others, []);
    assert.ok(readFileSync(join(folder, name ?? ""), "latin1").endsWith(`\nSubject: x\n\n${"y".repeat(size)}\n`));
    assert.deepEqual(readdirSync(join(mailboxes.folder, user, "tmp")), []);
  }
});

test("content that cannot be read leaves nothing and is told as it is", async () => {
  await using mailboxes = new Mailboxes();
  for (const size of [10, 1_000_000]) {
    const job: DeliveryJob = {
      ...mailboxes.job("ann", { message: { size } }),
      openContent: () => Promise.reject(new SpoolError("damaged", "the content is gone")),
    };
    const { outcomes } = await mailboxes.agent.deliver(job, { signal });
    assert.deepEqual(outcomes[0]?.outcome.kind === "deferred" && outcomes[0].outcome.hold, true);
    const folder = join(mailboxes.folder, "ann");
    assert.deepEqual(
      ["tmp", "new"].flatMap((name) =>
        readdirSync(mailboxes.folder).includes("ann") ? readdirSync(join(folder, name)) : [],
      ),
      [],
    );
  }
});

test("a folder that may not be written, or that somebody removed", async () => {
  await using mailboxes = new Mailboxes();
  assert.equal(kindOf(await mailboxes.agent.deliver(mailboxes.job("ann"), { signal })), "delivered");
  rmSync(join(mailboxes.folder, "ann"), { recursive: true });
  const again = mailboxes.job("ann", { content: "Subject: again\r\n\r\n" });
  assert.equal(kindOf(await mailboxes.agent.deliver(again, { signal })), "delivered");
  rmSync(join(mailboxes.folder, "ann"), { recursive: true });
  mkdirSync(join(mailboxes.folder, "ann"));
  execFileSync("touch", [join(mailboxes.folder, "ann", "tmp")]);
  chmodSync(join(mailboxes.folder, "ann", "tmp"), 0o600);
  const { outcomes } = await mailboxes.agent.deliver(mailboxes.job("ann"), { signal });
  const outcome = outcomes[0]?.outcome;
  assert.ok(outcome?.kind === "deferred" && /could not be written \((ENOTDIR|EEXIST)\)/.test(outcome.reason));
});

test("closed while one hangs: what is under way and what waits is deferred", async () => {
  await using mailboxes = new Mailboxes();
  const hanging = mailboxes.hang("slow");
  const waiting = mailboxes.agent.deliver(mailboxes.job("slow"), { signal });
  await mailboxes.agent.close();
  assert.equal(kindOf(await waiting), "deferred");
  mailboxes.release();
  await hanging;
});
