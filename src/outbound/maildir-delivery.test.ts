import assert from "node:assert/strict";
import { test } from "node:test";
import { CollectingLog } from "../testing/collecting-log.ts";
import { deliveryJob } from "../testing/delivery-fixture.ts";
import { SpoolError } from "../spool/spool.ts";
import { MemoryFiles } from "../testing/memory-files.ts";
import { MaildirDelivery, maildirPath } from "./maildir-delivery.ts";
import { DirectMaildirStore } from "./maildir-store.ts";

const hop = {
  kind: "maildir",
  site: "maildir",
  path: "/mail/{domain}/{user}/Maildir",
  description: "maildir",
} as const;
const options = { signal: new AbortController().signal };
const agentOn = (files: MemoryFiles) =>
  new MaildirDelivery({ store: new DirectMaildirStore(files), log: new CollectingLog() }, { hostname: "mx.test" });

async function onlyFileIn(files: MemoryFiles, folder: string): Promise<string> {
  const names = await files.list(folder);
  assert.equal(names.length, 1);
  return Buffer.from(await files.readFile(`${folder}/${names[0]}`)).toString("latin1");
}

test("a delivered file is on the disk before the outcome says so: write, fsync, rename, fsync of the directory", async () => {
  const files = new MemoryFiles();
  const job = deliveryJob({ hop, to: ["ann@local.test"], content: "Subject: x\r\n\r\nhello\r\n" });
  const { outcomes } = await agentOn(files).deliver(job, options);
  assert.equal(outcomes[0]?.outcome.kind, "delivered");
  const steps = files.trace
    .filter((step) => /^(write|sync|rename|syncDirectory)/.test(step))
    .map((step) => step.split(" ")[0]);
  assert.deepEqual(steps.slice(-3), ["sync", "rename", "syncDirectory"]);
  files.crash();
  assert.match(await onlyFileIn(files, "/mail/local.test/ann/Maildir/new"), /hello\n$/);
});

test("HDR-004: final delivery puts one Return-Path on top and takes older ones away, however the content is split", async () => {
  const content =
    "Received: x\r\nReturn-Path: <old@x>\r\n (folded)\r\nreturn-path : <older@x>\r\nSubject: y\r\n\r\nReturn-Path: body\r\n";
  for (const chunkBytes of [1, 7, 4096]) {
    const files = new MemoryFiles();
    await agentOn(files).deliver(deliveryJob({ hop, to: ["ann@local.test"], content, chunkBytes }), options);
    assert.equal(
      await onlyFileIn(files, "/mail/local.test/ann/Maildir/new"),
      "Return-Path: <ann@sender.test>\nDelivered-To: ann@local.test\nReceived: by mx.test with ESMTP id 4QJ7ZC2M9KXD\n" +
        "Received: x\nSubject: y\n\nReturn-Path: body\n",
    );
  }
});

test("HDR-004: the header ends at the line that is no field, and what looks like one behind it is body", async () => {
  const content = "Return-Path: <old@x>\r\nSubject: y\r\nno field at all\r\nReturn-Path: body\r\n\r\nmore\r\n";
  for (const chunkBytes of [1, 7, 4096]) {
    const files = new MemoryFiles();
    await agentOn(files).deliver(deliveryJob({ hop, to: ["ann@local.test"], content, chunkBytes }), options);
    assert.match(
      await onlyFileIn(files, "/mail/local.test/ann/Maildir/new"),
      /\nSubject: y\nno field at all\nReturn-Path: body\n\nmore\n$/,
    );
  }
});

test("HDR-004: a bounce's Return-Path is the null one", async () => {
  const files = new MemoryFiles();
  const job = deliveryJob({ hop, to: ["ann@local.test"], content: "\r\nx\r\n", message: { reversePath: "" } });
  await agentOn(files).deliver(job, options);
  assert.match(await onlyFileIn(files, "/mail/local.test/ann/Maildir/new"), /^Return-Path: <>\n/);
});

test("binary content keeps its line ends in the mailbox", async () => {
  const files = new MemoryFiles();
  const facts = {
    receivedCount: 0,
    ownReceived: false,
    autoSubmitted: false,
    deliveredTo: [],
    utf8Header: false,
    eightBit: true,
    binary: true,
  };
  const content = "Subject: x\r\n\r\na\nb\rc\r\n\0";
  await agentOn(files).deliver(deliveryJob({ hop, to: ["ann@local.test"], content, message: { facts } }), options);
  assert.ok((await onlyFileIn(files, "/mail/local.test/ann/Maildir/new")).endsWith(content));
});

test("an attempt repeated after a crash does not deliver twice", async () => {
  const files = new MemoryFiles();
  const job = deliveryJob({ hop, to: ["ann@local.test"], content: "Subject: x\r\n\r\n" });
  await agentOn(files).deliver(job, options);
  files.crash();
  const { outcomes } = await agentOn(files).deliver(job, options);
  assert.equal(outcomes[0]?.outcome.kind, "delivered");
  assert.equal((await files.list("/mail/local.test/ann/Maildir/new")).length, 1);
});

test("found by simulation: a copy whose folder could not be synced is synced before it counts as delivered", async () => {
  const files = new MemoryFiles();
  const folder = "/mail/local.test/ann/Maildir/new";
  const job = deliveryJob({ hop, to: ["ann@local.test"], content: "Subject: x\r\n\r\nhello\r\n" });
  files.failNext("syncDirectory", "EIO", { path: folder });
  const { outcomes: first } = await agentOn(files).deliver(job, options);
  assert.equal(first[0]?.outcome.kind, "deferred");
  const { outcomes: second } = await agentOn(files).deliver(job, options);
  assert.equal(second[0]?.outcome.kind, "delivered");
  files.crash();
  assert.match(await onlyFileIn(files, folder), /hello\n$/);
});

test("SMTPC-022: a message that had been delivered to this mailbox before bounces as a loop", async () => {
  const facts = {
    receivedCount: 3,
    ownReceived: true,
    autoSubmitted: false,
    deliveredTo: ["ann@local.test"],
    utf8Header: false,
    eightBit: false,
    binary: false,
  };
  const job = deliveryJob({ hop, to: ["Ann@local.test"], content: "\r\n", message: { facts } });
  const { outcomes } = await agentOn(new MemoryFiles()).deliver(job, options);
  assert.equal(outcomes[0]?.outcome.status, "5.4.6");
});

test("ESC-006: a mailbox over its quota is a transient failure, and a full disk leaves nothing half-written", async () => {
  for (const [code, status] of [
    ["EDQUOT", "4.2.2"],
    ["ENOSPC", "4.3.1"],
    ["EIO", "4.3.0"],
  ] as const) {
    const files = new MemoryFiles();
    files.failNext("write", code);
    const { outcomes } = await agentOn(files).deliver(
      deliveryJob({ hop, to: ["ann@local.test"], content: "\r\n" }),
      options,
    );
    assert.equal(outcomes[0]?.outcome.kind, "deferred");
    assert.equal(outcomes[0]?.outcome.status, status);
    assert.deepEqual(await files.list("/mail/local.test/ann/Maildir/tmp"), []);
    assert.deepEqual(await files.list("/mail/local.test/ann/Maildir/new"), []);
  }
});

test("a Maildir's path follows the recipient, without its tag, and cannot leave its folder", () => {
  const template = "/m/{domain}/{user}";
  assert.equal(maildirPath(template, "Ann+list@Local.test"), "/m/local.test/ann");
  assert.equal(maildirPath(template, '"../../etc"@local.test'), "/m/local.test/%2E%2E%2F..%2Fetc");
  assert.equal(maildirPath(template, '".."@local.test'), "/m/local.test/%2E%2E");
  assert.equal(maildirPath(template, "+x@local.test"), "/m/local.test/+x");
  assert.equal(maildirPath("/m/{address}", "a$&b@local.test"), "/m/a$&b@local.test");
  assert.equal(maildirPath(template, "{domain}@local.test"), "/m/local.test/{domain}");
  // Users are found however their name is written, and have one mailbox.
  for (const written of ["jürgen", "JU\u0308RGEN+tag", "JÜRGEN"]) {
    assert.equal(maildirPath(template, `${written}@local.test`), "/m/local.test/jürgen");
  }
});

test("every way to write an international name leads to one Maildir, and none into another user's", () => {
  const template = "/m/{user}";
  for (const user of ["Ünal", "ünal", "ÜNAL", "U\u0308nal", "ünal+shop"]) {
    assert.equal(maildirPath(template, `${user}@local.test`), "/m/ünal", user);
  }
  // The Kelvin sign is no k.
  assert.notEqual(maildirPath(template, "\u212aarl@local.test"), maildirPath(template, "karl@local.test"));
});

test("mail marked as junk goes into the folder Junk, which is made with its marker", async () => {
  const files = new MemoryFiles();
  const agent = agentOn(files);
  const junk = () => deliveryJob({ hop, to: ["ann@local.test"], content: "\r\nx\r\n", message: { junk: true } });
  const { outcomes } = await agent.deliver(junk(), options);
  assert.equal(outcomes[0]?.outcome.kind, "delivered");
  const folder = "/mail/local.test/ann/Maildir/.Junk";
  files.crash();
  assert.deepEqual((await files.list(folder)).toSorted(), ["cur", "maildirfolder", "new", "tmp"]);
  assert.match(await onlyFileIn(files, `${folder}/new`), /\nx\n$/);
  assert.deepEqual(await files.list("/mail/local.test/ann/Maildir/new"), []);
  // Again, by an agent that knows nothing of it: the marker may be there.
  await agentOn(files).deliver(junk(), options);
  assert.equal((await files.list(`${folder}/new`)).length, 1);
});

test("a folder of the Maildir that somebody removed is made again in the same attempt", async () => {
  for (const folder of ["tmp", "new"]) {
    const files = new MemoryFiles();
    const agent = agentOn(files);
    const job = (id: string) => deliveryJob({ hop, to: ["ann@local.test"], content: "\r\n", message: { id } });
    await agent.deliver(job("4QJ7ZC2M9KXD"), options);
    // What an open finds where the folder is gone.
    const operation = folder === "tmp" ? "open" : "rename";
    files.failNext(operation, "ENOENT");
    const { outcomes } = await agent.deliver(job("4QJ7ZC2M9KXE"), options);
    assert.equal(outcomes[0]?.outcome.kind, "delivered", folder);
    assert.equal((await files.list("/mail/local.test/ann/Maildir/new")).length, 2);
    assert.ok(files.trace.filter((step) => step === "makeDirectory /mail/local.test/ann/Maildir/tmp").length >= 2);
  }
});

test("a path that is too long for the system fails at once with 5.1.3, since no later attempt could do better", async () => {
  const files = new MemoryFiles();
  files.failNext("makeDirectory", "ENAMETOOLONG");
  const { outcomes } = await agentOn(files).deliver(
    deliveryJob({ hop, to: ["ann@local.test"], content: "\r\n" }),
    options,
  );
  assert.equal(outcomes[0]?.outcome.kind, "bounced");
  assert.equal(outcomes[0]?.outcome.status, "5.1.3");
});

test("a mailbox whose name is longer than 255 octets gets a shorter name of its own", () => {
  const domain = `${"b".repeat(60)}.test`;
  const long = (last: string) => maildirPath("/m/{address}", `${"~".repeat(63)}${last}@${domain}`);
  const name = long("a").slice("/m/".length);
  assert.ok(Buffer.byteLength(name) <= 255, name);
  assert.match(name, /^(?:%7E){63}a@b+~[0-9a-f]{32}$/);
  assert.notEqual(long("a"), long("b"));
  assert.equal(long("a"), long("A"), "the same mailbox, however it is written");
  const wide = maildirPath("/m/{address}", `${"ü".repeat(32)}@${"é".repeat(100)}.test`).slice("/m/".length);
  assert.ok(Buffer.byteLength(wide) <= 255);
  assert.ok(!wide.includes("\ufffd"), "no character is cut in two");
  assert.equal(maildirPath("/m/{user}", "ann@local.test"), "/m/ann");
});

test("what goes wrong in the middle settles those that have the message already", async () => {
  const to = ["ann@local.test", "bob@local.test", "cid@local.test"];
  const log = new CollectingLog();
  const files = new MemoryFiles();
  const agent = new MaildirDelivery({ store: new DirectMaildirStore(files), log }, { hostname: "mx.test" });
  const whole = deliveryJob({ hop, to, content: "\r\nx\r\n" });
  let opened = 0;
  const { outcomes } = await agent.deliver(
    {
      ...whole,
      openContent: async () => {
        if (++opened === 2) throw new SpoolError("damaged", "the content ends after 1 of 5 octets");
        if (opened === 3) throw new Error("a fault");
        return await whole.openContent();
      },
    },
    options,
  );
  assert.deepEqual(
    outcomes.map(({ outcome }) => [outcome.kind, outcome.kind === "deferred" && outcome.hold === true]),
    [
      ["delivered", false],
      ["deferred", true],
      ["deferred", false],
    ],
  );
  assert.deepEqual(log.names, ["spool-damaged", "internal-error"]);
  assert.deepEqual(await files.list("/mail/local.test/bob/Maildir/tmp"), []);
});

test("a mailbox that cannot be written is told with its path and the cause; the sender never hears of the path", async () => {
  const log = new CollectingLog();
  const files = new MemoryFiles();
  files.failNext("open", "EACCES");
  const agent = new MaildirDelivery({ store: new DirectMaildirStore(files), log }, { hostname: "mx.test" });
  const { outcomes } = await agent.deliver(deliveryJob({ hop, to: ["ann@local.test"], content: "\r\n" }), options);
  const [told] = log.of("local-delivery-failed");
  assert.equal(told?.["where"], "/mail/local.test/ann/Maildir");
  assert.match(String(told?.["error"]), /EACCES/);
  const outcome = outcomes[0]?.outcome;
  assert.equal(outcome?.kind === "deferred" && outcome.reason, "the mailbox could not be written (EACCES)");
});
