/** What a whole server says: every reply's form (the client of these tests checks each), and which statuses exist. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { SimulatedWorld } from "./support.ts";

test("ESC-001 ESC-002 ESC-003 ESC-004 SMTP-020 SMTP-021 SMTP-022: every reply has its status, printable, line by line", async () => {
  await using world = await SimulatedWorld.start({
    limits: { errors: 10_000 },
    bans: { errors: 0, unknown_recipients: 0 },
  });
  const plain = ["NOOP", "HELP", "VRFY ann", "EXPN ann", "FOO", "", "DATA", "BDAT 0", "STARTTLS now", "AUTH FOO"];
  const hostile = ["\u001b[2J", "\u0000", "\u00ff", "x".repeat(1900), "\u7a0b", "-", "250 2.0.0 Ok"];
  for (const kind of ["mx", "submissions", "lmtp"] as const) {
    for (const text of hostile) {
      // A session of its own for each: too many commands without a message end one.
      const client = await world.client(kind);
      const transaction = [
        "RSET",
        "MAIL FROM:<ann@example.org>",
        `RCPT TO:<${text}@example.org>`,
        `RCPT TO:<a@${text}.test>`,
      ];
      const commands = [
        `VRFY ${text}`,
        `MAIL FROM:<${text}@x.test>`,
        `MAIL FROM:<a@x.test> ${text}=1`,
        text,
        `EHLO ${text}`,
      ];
      for (const line of [...plain, ...commands, ...transaction]) {
        client.write(`${line}\r\n`);
        assert.match(await client.reply(), /^[2345]\d\d[ -]/);
      }
      // As many replies as commands: what comes next is the answer to this.
      await client.expect("QUIT", "221 2.0.0");
      await client.ended();
    }
  }
});

/** Subject and detail, as registered by RFC 5248's registry for what this server knows how to say. */
const registered: Readonly<Record<number, readonly number[]>> = {
  0: [0],
  1: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  2: [0, 1, 2, 3, 4],
  3: [0, 1, 2, 3, 4, 5, 6],
  4: [0, 1, 2, 3, 4, 5, 6, 7],
  5: [0, 1, 2, 3, 4, 5, 6],
  6: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  7: Array.from({ length: 31 }, (_, detail) => detail),
};

test("ESC-002 ESC-005: every status that the source can say is registered, and of the class of its reply code", () => {
  const root = new URL("../../", import.meta.url).pathname;
  const files = globSync("src/**/*.ts", { cwd: root, exclude: ["**/*.test.ts", "src/testing/**"] });
  assert.ok(files.length > 100);
  let seen = 0;
  for (const file of files) {
    const text = readFileSync(`${root}${file}`, "utf8");
    for (const [, , subject = "", detail = ""] of text.matchAll(/"([245])\.(\d+)\.(\d+)"/g)) {
      seen++;
      assert.ok(registered[Number(subject)]?.includes(Number(detail)), `${file}: X.${subject}.${detail}`);
    }
    for (const [whole, code = "", status = ""] of text.matchAll(/\breply\(\s*(\d{3}),\s*"(\d)/g)) {
      assert.equal(status, code[0], `${file}: ${whole}`);
    }
  }
  assert.ok(seen > 100, `${seen} statuses`);
});
