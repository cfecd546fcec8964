/** Programs that people send with: swaks and nodemailer, over every kind of listener. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { createTransport } from "nodemailer";
import { passwordHash } from "./support/accounts.ts";
import { storedMessages } from "./support/messages.ts";
import { startPosthaste } from "./support/posthaste.ts";
import { freePort } from "./support/free-port.ts";
import { runProgram, until } from "./support/program.ts";

async function mailServer() {
  const [mx, submission, submissions] = [await freePort(), await freePort(), await freePort()];
  const listener = (kind: string, port: number) => `[[listener]]\nkind = "${kind}"\nlisten = "127.0.0.1:${port}"\n`;
  const server = await startPosthaste({
    ports: [mx, submission, submissions],
    configuration: `
      ${listener("mx", mx)}
      ${listener("submission", submission)}
      ${listener("submissions", submissions)}
      [[domain]]
      name = "local.test"
      [[user]]
      address = "ann@local.test"
      password = "${passwordHash("open sesame")}"
      [[user]]
      address = "bob@local.test"
      password = "${passwordHash("another")}"
      [admin]
      listen = "127.0.0.1:${await freePort()}"
    `,
  });
  const arrived = async (subject: string) => {
    let found: Buffer | undefined;
    await until(
      subject,
      () => {
        found = storedMessages(`${server.dataFolder}/mail/local.test/bob`).find((bytes) => bytes.includes(subject));
        return found !== undefined;
      },
      server.program,
      20,
    );
    return found?.toString("latin1") ?? "";
  };
  return { server, mx, submission, submissions, arrived };
}

test("swaks: to port 25, by STARTTLS and login, by implicit TLS and login, and refused as it should be", async () => {
  const { server, mx, submission, submissions, arrived } = await mailServer();
  await using _ = server;
  const swaks = (port: number, ...args: readonly string[]) =>
    runProgram("swaks", [
      "--server",
      `127.0.0.1:${port}`,
      "--from",
      "ann@local.test",
      "--to",
      "bob@local.test",
      "--timeout",
      "20",
      ...args,
    ]);

  assert.equal((await swaks(mx, "--header", "Subject: swaks one")).status, 0);
  assert.match(await arrived("swaks one"), /^Return-Path: <ann@local\.test>/);

  const login = ["--auth-user", "ann@local.test", "--auth-password", "open sesame"];
  const plain = await swaks(submission, "--tls", "--auth", "PLAIN", ...login, "--header", "Subject: swaks two");
  assert.equal(plain.status, 0, plain.output);
  assert.match(await arrived("swaks two"), /with ESMTPSA/);

  const implicit = await swaks(
    submissions,
    "--tls-on-connect",
    "--auth",
    "LOGIN",
    ...login,
    "--header",
    "Subject: swaks three",
  );
  assert.equal(implicit.status, 0, implicit.output);
  assert.match(await arrived("swaks three"), /tls TLS_/);

  const inClear = await swaks(submission, "--auth", "PLAIN", ...login);
  assert.notEqual(inClear.status, 0);
  const wrong = await swaks(
    submission,
    "--tls",
    "--auth",
    "PLAIN",
    "--auth-user",
    "ann@local.test",
    "--auth-password",
    "wrong",
  );
  assert.match(wrong.output, /535 5\.7\.8/);
  const relay = await swaks(mx, "--to", "x@elsewhere.test");
  assert.match(relay.output, /550 5\.7\.1/);
});

test("nodemailer: attachments, UTF-8 and a pool, over STARTTLS and implicit TLS", async () => {
  const { server, submission, submissions, arrived } = await mailServer();
  await using _ = server;
  const auth = { user: "ann@local.test", pass: "open sesame" };
  const tls = { rejectUnauthorized: false };
  const starttls = createTransport({ host: "127.0.0.1", port: submission, requireTLS: true, auth, tls });
  const sent = await starttls.sendMail({
    from: "Ann <ann@local.test>",
    to: "bob@local.test",
    bcc: "bob@local.test",
    subject: "nodemailer one",
    text: "héllo wörld\n.\n..\n",
    attachments: [{ filename: "data.bin", content: randomBytes(300_000) }],
  });
  assert.match(sent.response, /^250 2\.0\.0 Ok: queued as [0-9A-Z]{12}$/);
  const stored = await arrived("nodemailer one");
  assert.match(stored, /data\.bin/);
  assert.doesNotMatch(stored, /^bcc:/im);
  starttls.close();

  const pool = createTransport({
    host: "127.0.0.1",
    port: submissions,
    secure: true,
    pool: true,
    maxConnections: 5,
    auth,
    tls,
  });
  const mails = Array.from({ length: 100 }, (_unused, index) =>
    pool.sendMail({ from: "ann@local.test", to: "bob@local.test", subject: `pooled ${index} end`, text: "x" }),
  );
  const ids = new Set((await Promise.all(mails)).map(({ response }) => response));
  assert.equal(ids.size, 100);
  for (let index = 0; index < 100; index++) await arrived(`pooled ${index} end`);
  pool.close();

  await assert.rejects(
    createTransport({ host: "127.0.0.1", port: submission, requireTLS: true, auth, tls }).sendMail({
      from: "eve@local.test",
      to: "bob@local.test",
      text: "x",
    }),
    /550 5\.7\.1/,
  );
});
