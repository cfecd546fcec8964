/**
 * People answer what we send. Every address of ours that stands in a report takes mail: the test reads all kinds of reports
 * as text, picks out whatever looks like an address at a domain of ours, and writes to it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { day, hour, minute, SimulatedWorld } from "./support.ts";

const reply = "From: reader@elsewhere.test\r\nSubject: Re: your report\r\n\r\nPlease help.";

function addressesIn(text: string): readonly string[] {
  return [...text.matchAll(/[\w.+=-]+@(?:mail\.)?example\.org\b/gi)].map(([address]) => address.toLowerCase());
}

/** Identifiers look like addresses and are none. */
function withoutIdentifiers(text: string): string {
  return text
    .replaceAll(/^(?:Message-ID|References|In-Reply-To):.*(?:\r?\n[ \t].*)*/gim, "")
    .replaceAll(/Report-ID:\s*<[^>]*>/gi, "");
}

test("every address that a report prints takes mail, from people and from other servers' reports", async () => {
  await using world = await SimulatedWorld.start();
  await using refusing = await world.peer("elsewhere.test", {
    answer: ({ verb, line }) => {
      if (verb !== "RCPT" || line.includes("<far@")) return undefined;
      return line.includes("<busy@") ? "451 4.2.1 Busy" : "550 5.1.1 No such user";
    },
  });
  const ask = " NOTIFY=SUCCESS,FAILURE,DELAY";
  for (const to of ["<ghost@elsewhere.test>", "<busy@elsewhere.test>", "<far@elsewhere.test>", "<bob@example.org>"]) {
    await world.accept("ann@example.org", `${to}${ask}`);
  }
  await world.accept("ann@example.org", `<info@example.org>${ask}`);
  for (let passed = 0; passed < 5 * hour; passed += 10 * minute) await world.advance(10 * minute);
  const raw = (await world.mailbox("ann@example.org")).map(String).filter((text) => text.includes("multipart/report"));
  const actions = new Set(raw.map((text) => /^Action: (\S+)/m.exec(text)?.[1] ?? ""));
  assert.deepEqual(
    [...actions].toSorted((a, b) => a.localeCompare(b)),
    ["delayed", "delivered", "expanded", "failed", "relayed"],
  );
  const printed = new Set(raw.flatMap((text) => addressesIn(withoutIdentifiers(text))));
  for (const address of ["mailer-daemon@mail.example.org", "postmaster@mail.example.org"]) {
    assert.ok(printed.has(address), `${address} is not printed`);
  }
  const before = (await world.mailbox("ann@example.org")).length;
  let expected = 0;
  for (const address of printed) {
    if (address === "ann@example.org" || address === "info@example.org" || address === "bob@example.org") continue;
    for (const from of ["<reader@elsewhere.test>", "<>"]) {
      const client = await world.client();
      await client.send(from, address, reply);
      await client.expect("QUIT", "221");
      await world.quiet();
      expected++;
    }
  }
  // Postmaster is the first user.
  assert.equal((await world.mailbox("ann@example.org")).length, before + expected);
  assert.ok(refusing.sessions > 0);
});

test("the sender of daily reports takes mail although it is no mailbox", async () => {
  for (const from of ["dmarc@example.org", "dmarc@mail.example.org"]) {
    await using world = await SimulatedWorld.start({ reports: { from } });
    await using sender = await world.peer("sender.test");
    world.resolver.add("_dmarc.sender.test", "TXT", "v=DMARC1; p=none; rua=mailto:dmarc@sender.test");
    const client = await world.client();
    await client.send("joe@sender.test", "ann@example.org", "From: Joe <joe@sender.test>\r\n\r\nx");
    for (let passed = 0; passed < day + 2 * hour; passed += hour / 2) await world.advance(hour / 2);
    const content = sender.messages[0]?.content ?? assert.fail("no report came");
    const printed = new Set(addressesIn(withoutIdentifiers(String(content))));
    assert.ok(printed.has(from));
    const before = (await world.mailbox("ann@example.org")).length;
    for (const address of printed) await (await world.client()).send("<reader@sender.test>", address, reply);
    await world.quiet();
    assert.equal((await world.mailbox("ann@example.org")).length, before + printed.size);
  }
});
