/** Passwords that the real Dovecot checks for us, over its client socket. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DovecotPasswords } from "../../src/accounts/dovecot/dovecot-passwords.ts";
import { BoundedSource } from "../../src/accounts/password-source.ts";
import { NodeNetwork } from "../../src/node/network/node-network.ts";
import { SystemClock } from "../../src/node/process/system-clock.ts";
import { SystemRandom } from "../../src/node/process/system-random.ts";
import { Folder } from "./support/folder.ts";
import { startDovecot } from "./support/dovecot.ts";

test("Dovecot checks passwords for us, many at a time; the master socket is named as the wrong one", async () => {
  using mail = new Folder();
  await using dovecot = await startDovecot(mail.path);
  const [network, clock, random] = [new NodeNetwork(), new SystemClock(), new SystemRandom()];
  const open = (path: string) =>
    new BoundedSource(new DovecotPasswords({ endpoint: { kind: "unix", path }, network, clock, random }), clock);
  const source = open(dovecot.authSocket);
  const ask = (username: string, password: string) => source.check({ username, password, clientAddress: "192.0.2.1" });
  assert.deepEqual(await ask("ann@example.org", "secret"), { kind: "right", login: "ann@example.org" }, dovecot.log());
  assert.deepEqual(await ask("ann@example.org", "wrong"), { kind: "wrong" });
  assert.deepEqual(await ask("jörg@example.org", "sec\u00e4ret"), { kind: "wrong" });
  const names = Array.from({ length: 20 }, (_, index) => `user${index}@example.org`);
  const answers = await Promise.all(names.map((name, index) => ask(name, index % 2 === 0 ? "secret" : "wrong")));
  assert.deepEqual(
    answers.map((answer) => (answer.kind === "right" ? answer.login : answer.kind)),
    names.map((name, index) => (index % 2 === 0 ? name : "wrong")),
    dovecot.log(),
  );
  source.close();
  const master = open(dovecot.masterSocket);
  const result = await master.check({ username: "ann", password: "secret", clientAddress: "" });
  assert.ok(result.kind === "unavailable");
  assert.match(result.reason, /master socket/);
  master.close();
});
