/** Whole sessions of strangers: what is looked up, what is written above their mail, and what becomes of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explain } from "../history/explain.ts";
import { formatExplanation } from "../history/format-explanation.ts";
import { SenderAuthentication } from "../policy/authentication/sender-authentication.ts";
import type { Resolver } from "../ports/resolver.ts";
import type { EvaluationNote } from "../intake/evaluation-note.ts";
import type { Spool } from "../spool/spool.ts";
import { settle } from "../testing/manual-clock.ts";
import { ReceivingServer, type ReceivingServerOptions } from "../testing/receiving-server.ts";
import {
  honestClient,
  senderSettings,
  type SenderSettingsInput,
  senderZone,
  strangeClient,
} from "../testing/sender-zone.ts";
import { signMessage } from "../testing/signed-message.ts";

interface World extends SenderSettingsInput {
  readonly resolver?: Resolver;
  readonly notes?: EvaluationNote[];
  readonly options?: ReceivingServerOptions;
}

/** Every message begun in the spool, and whether it was kept or forgotten. */
class SpoolLedger {
  begun = 0;
  kept = 0;
  forgotten = 0;

  wrap(spool: Spool): Pick<Spool, "begin"> {
    return {
      begin: () => {
        this.begun++;
        const writer = spool.begin();
        const abort = () => {
          this.forgotten++;
          return writer.abort();
        };
        return {
          append: (bytes) => writer.append(bytes),
          get size() {
            return writer.size;
          },
          commit: (message, options) => {
            this.kept++;
            return writer.commit(message, options);
          },
          abort,
          [Symbol.asyncDispose]: abort,
        };
      },
    };
  }

  /** So many messages came, and nothing of them is left. */
  assertForgotten(count: number): void {
    assert.deepEqual({ ...this }, { begun: count, kept: 0, forgotten: count });
  }
}

function openServer({ resolver = senderZone(), notes = [], options = {}, ...settings }: World = {}) {
  return ReceivingServer.open({
    ...options,
    services: ({ clock, log }) => ({
      authentication: new SenderAuthentication({ resolver, clock, log }, senderSettings(settings)),
      evaluations: { note: (note) => notes.push(note) },
      ...options.services?.({ clock, log }),
    }),
  });
}

async function send(server: ReceivingServer, from: string, reversePath: string, content: string): Promise<string> {
  const client = await server.client("mx", from);
  await client.envelope(`<${reversePath}>`, "<ann@example.org>");
  return await client.content(content);
}

const forged = "From: Chef <chef@example.org>\r\nSubject: pay\r\n\r\nnow";

test("AR-002 AR-004 AR-005 DMARC-016: what was found stands above our Received field, domains only", async () => {
  await using server = await openServer();
  const content = signMessage({ fields: ["From: Ann <ann@example.org>", "Subject: Lunch"], names: "from:subject" });
  const reply = await send(server, honestClient, "ann+secret@example.org", content.toString("latin1").trimEnd());
  assert.match(reply, /^250 /);
  const { message, events } = await server.onlyMessage();
  const unfolded = message.headerBlock.replaceAll(/\r\n\s+/g, " ");
  const [field = "", received = ""] = unfolded.split("\r\n");
  assert.match(
    field,
    /^Authentication-Results: mail\.example\.net; iprev=pass \(mail\.example\.org\) policy\.iprev=192\.0\.2\.10;/,
  );
  assert.match(field, / spf=pass smtp\.mailfrom=example\.org;/);
  assert.match(field, / dkim=pass header\.d=example\.org header\.s=ed header\.a=ed25519-sha256 header\.b="?[\w+/]+"?;/);
  assert.match(field, / arc=none; dmarc=pass \(p=reject dis=none\) header\.from=example\.org policy\.dmarc=reject$/);
  assert.doesNotMatch(field, /secret/);
  assert.match(received, /^Received: from client\.test/);
  assert.equal(message.junk, undefined);
  assert.equal(events[0]?.kind === "message-accepted" && events[0].authentication?.dmarc.result, "pass");
});

test("DMARC-016: a message that goes in a circle is refused, and counts in the reports of its domain", async () => {
  const notes: EvaluationNote[] = [];
  await using server = await openServer({ notes });
  const received = "Received: from a.test by mail.example.org with ESMTP id 1; Thu, 1 Jan 2026 00:00:00 +0000\r\n";
  const content = `${received.repeat(5)}From: Ann <ann@example.org>\r\nSubject: again\r\n\r\nhello`;
  assert.match(await send(server, strangeClient, "ann@example.org", content), /^554 5\.4\.6 /);
  assert.equal(notes.length, 1);
});

test("AR-001: fields that claim to be ours are gone from what is stored, whoever wrote them; others stay", async () => {
  for (const kind of ["mx", "submission"] as const) {
    await using server = await openServer({ options: {} });
    const client = kind === "mx" ? await server.client("mx", honestClient) : await server.submitter();
    await client.envelope("<ann@example.org>", "<bob@example.org>");
    const lines = [
      "Authentication-Results: mail.example.net; dmarc=pass",
      'Authentication-Results: "MAIL.example.NET" 1;\r\n\tspf=pass',
      "authentication-results:\r\n (comment) mail.example.net; none",
      "Authentication-Results: mx.elsewhere.test; spf=pass",
      "From: ann@example.org",
      "Date: Thu, 1 Jan 2026 00:00:00 +0000",
      "Message-ID: <1@example.org>",
    ];
    assert.match(await client.content(`${lines.join("\r\n")}\r\n\r\nhello`), /^250 /);
    const { message, content } = await server.onlyMessage();
    assert.equal(content, `${lines.slice(3).join("\r\n")}\r\n\r\nhello\r\n`);
    assert.equal(message.size, content.length);
  }
});

test("AR-001: a signature over a field that is removed is verified as it came", async () => {
  await using server = await openServer();
  const fields = ["Authentication-Results: mail.example.net; spf=pass", "From: ann@example.org"];
  const content = signMessage({ fields, names: "from:authentication-results" }).toString("latin1").trimEnd();
  assert.match(await send(server, strangeClient, "x@other.example", content), /^250 /);
  const stored = await server.onlyMessage();
  assert.match(stored.message.headerBlock, /dkim=pass/);
  assert.doesNotMatch(stored.content, /^Authentication-Results/m);
});

test("DMARC-014: p=reject alone refuses nothing; the message is marked as junk, and says so in each place", async () => {
  const notes: EvaluationNote[] = [];
  await using server = await openServer({ notes });
  assert.match(await send(server, strangeClient, "chef@example.org", forged), /^250 /);
  const { message } = await server.onlyMessage();
  assert.equal(message.junk, true);
  assert.match(message.headerBlock, /dmarc=fail \(p=reject dis=quarantine\)[\s\S]*\r\nX-Spam-Flag: YES\r\nReceived: /);
  const told = await explain(server.spool, message.id, { now: server.clock.now(), expireMs: 1 });
  assert.ok(told);
  const text = formatExplanation(told);
  assert.match(text, /SPF fail for example\.org: /);
  assert.match(text, /DKIM none: the message has no signature\./);
  assert.match(text, /DMARC fail for example\.org, which asks for reject: /);
  assert.match(text, /Marked for Junk: DMARC fails .* \(rule reject-never, dmarc\.reject\)\./);
  const [checked] = server.log.of("sender-checked");
  assert.equal(checked?.["handling"], "junk");
  assert.equal(checked?.["message"], message.id);
  assert.equal(notes.length, 1);
  assert.equal(notes[0]?.disposition, "quarantine");
  assert.deepEqual(notes[0]?.recipients, ["ann@example.org"]);
  assert.equal(notes[0]?.reasons[0]?.type, "local_policy");
});

test("DMARC-014: with reject = always the refusal names domain, identifiers and what failed, and nothing stays in the spool", async () => {
  const notes: EvaluationNote[] = [];
  const ledger = new SpoolLedger();
  const options = { spool: (real: Spool) => ledger.wrap(real) };
  await using server = await openServer({ notes, dmarc: { reject: "always" }, options });
  const reply = await send(server, strangeClient, "x@other.example", forged);
  assert.match(
    reply,
    /^550 5\.7\.1 Mail from example\.org fails DMARC \(policy reject\): SPF pass for other\.example, another domain; no DKIM signature$/,
  );
  ledger.assertForgotten(1);
  assert.equal(server.log.of("content-refused")[0]?.["setting"], "dmarc.reject");
  assert.equal(notes[0]?.disposition, "reject");
  // The session goes on.
  const client = await server.client("mx", honestClient);
  await client.envelope("<a@quiet.example>", "<ann@example.org>");
  assert.match(await client.content("From: a@quiet.example\r\n\r\nx"), /^250 /);
});

test("DMARC-015: p=none changes nothing", async () => {
  await using server = await openServer({ dmarc: { reject: "always" } });
  assert.match(await send(server, strangeClient, "a@quiet.example", "From: a@quiet.example\r\n\r\nx"), /^250 /);
  const { message } = await server.onlyMessage();
  assert.equal(message.junk, undefined);
  assert.match(message.headerBlock, /dmarc=fail \(p=none dis=none\)/);
});

test("DMARC-013: SERVFAIL where the policy could matter is 451, and nothing else is", async () => {
  const cases = [
    { fail: ["_dmarc.example.org"], from: strangeClient, author: "example.org", code: /^451 4\.7\.1 / },
    // SPF passes for the author's own domain, whatever its record says.
    { fail: ["_dmarc.example.org"], from: honestClient, author: "example.org", code: /^250 / },
    { fail: ["example.org"], from: strangeClient, author: "example.org", code: /^451 4\.7\.1 / },
    { fail: ["quiet.example"], from: strangeClient, author: "quiet.example", code: /^250 / },
    { fail: ["66.100.51.198.in-addr.arpa"], from: strangeClient, author: "quiet.example", code: /^250 / },
  ];
  for (const { fail, from, author, code } of cases) {
    const notes: EvaluationNote[] = [];
    const resolver = senderZone();
    for (const name of fail) resolver.fail(name);
    await using server = await openServer({ resolver, notes, dmarc: { reject: "always" } });
    const reply = await send(server, from, `a@${author}`, `From: a@${author}\r\n\r\nx`);
    assert.match(reply, code, `${author} from ${from}, without ${fail.join()}`);
    if (reply.startsWith("451")) {
      assert.equal((await server.messages()).length, 0);
      assert.equal(notes.length, 0, "what comes again is counted when it comes");
    }
  }
});

test("DNS that never answers: the client hears 451 after twenty seconds, and nothing waits on", async () => {
  const asked: string[] = [];
  const resolver: Resolver = {
    query: (name, type) => {
      asked.push(`${type} ${name}`);
      return new Promise(() => undefined);
    },
  };
  const ledger = new SpoolLedger();
  await using server = await openServer({ resolver, options: { spool: (real) => ledger.wrap(real) } });
  const client = await server.client("mx", strangeClient);
  await client.envelope("<chef@example.org>", "<ann@example.org>");
  await client.expect("DATA", "354");
  assert.ok(asked.includes("TXT example.org"), "SPF is asked before the content comes");
  client.send(`${forged}\r\n.\r\n`);
  await settle();
  assert.ok(asked.includes("TXT _dmarc.example.org"), "the policy is asked beside it");
  assert.equal(await client.unread(), "");
  await server.clock.advance(19_999);
  assert.equal(await client.unread(), "");
  await server.clock.advance(1);
  assert.match(await client.reply(), /^451 4\.7\.1 /);
  ledger.assertForgotten(1);
});

test("the wait for DNS is ours, and no idle client's", async () => {
  const resolver: Resolver = { query: () => new Promise(() => undefined) };
  await using server = await openServer({ resolver, options: { limits: { idle_timeout: "10s" } } });
  const client = await server.client("mx", strangeClient);
  await client.envelope("<chef@example.org>", "<ann@example.org>");
  await client.expect("DATA", "354");
  client.send(`${forged}\r\n.\r\n`);
  await settle();
  await server.clock.advance(20_000);
  assert.match(await client.reply(), /^451 4\.7\.1 /);
  await client.expect("NOOP", "250");
});

test("a client that goes away while DNS is asked leaves nothing behind", async () => {
  const resolver: Resolver = { query: () => new Promise(() => undefined) };
  const ledger = new SpoolLedger();
  await using server = await openServer({ resolver, options: { spool: (real) => ledger.wrap(real) } });
  const client = await server.client("mx", strangeClient);
  await client.envelope("<chef@example.org>", "<ann@example.org>");
  await client.expect("DATA", "354");
  client.send(`${forged}\r\n.\r\n`);
  await settle();
  client.connection.destroy();
  await server.clock.advance(30_000);
  ledger.assertForgotten(1);
});

test("relay networks, logins, LMTP, and loopback in development are not asked who they are", async () => {
  const ask = async (options: ReceivingServerOptions, kind: "mx" | "lmtp", from: string) => {
    const resolver = senderZone();
    await using server = await openServer({ resolver, options });
    const client = await server.client(kind, from);
    await client.envelope("<chef@example.org>", "<ann@example.org>");
    assert.match(await client.content(forged), /^250 /);
    const { message, content } = await server.onlyMessage();
    assert.match(message.headerBlock, /^Received: /);
    assert.ok(content.startsWith("From: Chef"));
    assert.deepEqual(resolver.queries, []);
  };
  await ask({ relayNetworks: ["198.51.100.0/24"] }, "mx", strangeClient);
  await ask({}, "lmtp", strangeClient);
  await ask({ development: true }, "mx", "127.0.0.1");
  const resolver = senderZone();
  await using server = await openServer({ resolver });
  const submitter = await server.submitter();
  await submitter.envelope("<ann@example.org>", "<u@elsewhere.test>");
  assert.match(await submitter.content("From: ann@example.org\r\n\r\nx"), /^250 /);
  assert.deepEqual(resolver.queries, []);
});

test("with check = false nothing is asked, and forged fields still go", async () => {
  const resolver = senderZone();
  await using server = await openServer({ resolver, authentication: { check: false } });
  const content = "Authentication-Results: mail.example.net; dmarc=pass\r\nFrom: chef@example.org\r\n\r\nx";
  assert.match(await send(server, strangeClient, "chef@example.org", content), /^250 /);
  assert.equal((await server.onlyMessage()).content, "From: chef@example.org\r\n\r\nx\r\n");
  assert.deepEqual(resolver.queries, []);
});

test("SPF-016: Received-SPF stands between Authentication-Results and Received, and holds no field of the sender's making", async () => {
  await using server = await openServer({ authentication: { received_spf: true } });
  const content = "From: a@quiet.example\r\n\r\nx";
  await send(server, honestClient, '"a; evil=\\"x"@quiet.example', content);
  const { message } = await server.onlyMessage();
  const names = message.headerBlock.match(/^[\w-]+(?=:)/gm);
  assert.deepEqual(names, ["Authentication-Results", "Received-SPF", "Received"]);
  const field = /^Received-SPF: (?:.|\r\n\s)+/m.exec(message.headerBlock)?.[0].replaceAll(/\r\n\s+/g, " ") ?? "";
  assert.match(field, /^Received-SPF: pass \(.*\) client-ip=192\.0\.2\.10; envelope-from="[^"]*\\"/);
  assert.match(field, /helo=client\.test;/);
});

test("SPF-014: with spf_fail = reject the reply has the codes of RFC 7372", async () => {
  const resolver = senderZone()
    .add("broken.example", "TXT", "v=spf1 junk: -all")
    .fail("later.example")
    .add("soft.example", "TXT", "v=spf1 ~all")
    .add("neutral.example", "TXT", "v=spf1 ?all");
  await using server = await openServer({ resolver, authentication: { spf_fail: "reject" } });
  const expected: readonly (readonly [string, RegExp])[] = [
    ["example.org", /^550 5\.7\.23 SPF: 198\.51\.100\.66 may not send for example\.org/],
    ["broken.example", /^550 5\.7\.24 /],
    ["later.example", /^451 4\.4\.3 /],
    // SPF-015: these say nothing against the client.
    ["soft.example", /^250 /],
    ["neutral.example", /^250 /],
    ["unknown.example", /^250 /],
  ];
  for (const [domain, code] of expected) {
    assert.match(await send(server, strangeClient, `a@${domain}`, "From: a@unknown.example\r\n\r\nx"), code, domain);
  }
});

test("SPF-001 DMARC-011: a bounce is judged by its HELO name", async () => {
  const resolver = senderZone()
    .add("client.test", "TXT", `v=spf1 ip4:${honestClient} -all`)
    .add("_dmarc.client.test", "TXT", "v=DMARC1; p=reject");
  await using server = await openServer({ resolver });
  assert.match(await send(server, honestClient, "", "From: postmaster@client.test\r\n\r\nx"), /^250 /);
  const { message } = await server.onlyMessage();
  const block = message.headerBlock.replaceAll(/\r\n\s+/g, " ");
  assert.match(block, /spf=pass smtp\.helo=client\.test; dkim=none; arc=none; dmarc=pass /);
});

test("a fault of ours in a check is logged, and costs neither the session nor the message's next try", async () => {
  const resolver: Resolver = {
    query: () => {
      throw new Error("broken");
    },
  };
  await using server = await openServer({ resolver });
  assert.match(await send(server, strangeClient, "chef@example.org", forged), /^451 4\.7\.1 /);
  assert.ok(server.log.of("sender-check-failed").length > 0);
});

test("content of 50 MB is checked as it streams through, and its signature verifies", async () => {
  const line = `${"0123456789abcdef".repeat(4)}\r\n`;
  const body = line.repeat(Math.ceil((50 * 1024 * 1024) / line.length));
  let appended = 0;
  let largest = 0;
  await using server = await openServer({
    options: {
      chunkBytes: 64 * 1024,
      limits: { message_size: "80MB" },
      spool: (real) => ({
        // What the memory spool would keep is no part of what is looked at here.
        begin: () => {
          const writer = real.begin();
          return {
            append: (bytes) => {
              appended += bytes.length;
              largest = Math.max(largest, bytes.length);
              return appended < 100_000 ? writer.append(bytes) : undefined;
            },
            get size() {
              return appended;
            },
            commit: (message, options) => writer.commit(message, options),
            abort: () => writer.abort(),
            [Symbol.asyncDispose]: () => writer.abort(),
          };
        },
      }),
    },
  });
  const client = await server.client("mx", honestClient);
  await client.envelope("<ann@example.org>", "<ann@example.org>");
  const content = signMessage({ fields: ["From: ann@example.org"], names: "from", body });
  await client.expect("DATA", "354");
  client.connection.write(content);
  client.send(".\r\n");
  for (let turn = 0; turn < 2000 && client.connection.bufferedBytes > 0; turn++) await settle();
  assert.match(await client.reply(), /^250 /);
  assert.equal(appended, content.length);
  assert.ok(largest <= 128 * 1024);
  assert.match((await server.onlyMessage()).message.headerBlock, /dkim=pass/);
});
