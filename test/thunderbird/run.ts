/**
 * `npm run thunderbird`: Debian's Thunderbird under Xvfb sends four messages through this checkout's server, by 465 and by
 * 587, with a password and with a client certificate, and reads the four bounces from Dovecot over IMAP. Needs Debian's
 * packages thunderbird, xvfb, xauth, libnss3-tools, openssl and dovecot-imapd, and root. Each step has a time limit; if one fails,
 * the log of Thunderbird and of the server stays, and its path is printed. `-- --record` writes the sessions into
 * `test/dialects/clients`, which CI plays.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { controlRequest } from "../../src/node/http/http-control.ts";
import { NodeNetwork } from "../../src/node/network/node-network.ts";
import { makeClientCertificate } from "../../src/node/tls/self-signed.ts";
import { ScriptedPeer } from "../../src/testing/scripted-peer.ts";
import { startDovecot } from "../interop/support/dovecot.ts";
import { Folder } from "../interop/support/folder.ts";
import { freePort } from "../interop/support/free-port.ts";
import { runProgram, startProgram, until, untilListening } from "../interop/support/program.ts";
import { RealServer } from "../system/real-server.ts";
import { Marionette } from "./marionette.ts";
import { makeProfile, ways } from "./profile.ts";
import { dialogueOf, recorded, type Recording } from "./recorder.ts";
import { readInbox, sendMessage, signIn } from "./scripts.ts";

const { values } = parseArgs({ options: { record: { type: "boolean" } } });
const address = "ann@example.org";
const password = randomBytes(12).toString("hex");
const recordings: Recording[] = [];

using folder = new Folder();
await makeCertificates(folder);
const network = new NodeNetwork();
await using refusing = await ScriptedPeer.listen(
  network,
  { kind: "ip", address: "127.0.0.1", port: 0 },
  {
    answer: ({ verb }) => (verb === "RCPT" ? "550 5.1.1 No such user here" : undefined),
  },
);
await using server = await startServer();
mkdirSync(`${server.dataDir}/mail`, { recursive: true });
for (const path of [server.folder, server.dataDir, `${server.dataDir}/mail`]) chmodSync(path, 0o755);
await using dovecot = await startDovecot(`${server.dataDir}/mail`);

const marionettePort = await freePort();
await makeProfile({
  folder: folder.file("profile"),
  marionettePort,
  imapPort: dovecot.imapPort,
  ports: { submission: server.port("submission"), submissions: server.port("submissions") },
  authorityFile: folder.file("ca.pem"),
  clientCertificateFile: folder.file("ann.p12"),
});
const program = startProgram(
  "xvfb-run",
  ["-a", "thunderbird", "--marionette", "--remote-allow-system-access", "--no-remote"].concat(
    "--profile",
    folder.file("profile"),
  ),
  { env: { ...process.env, HOME: folder.path } },
);
try {
  await untilListening(marionettePort, program);
  using thunderbird = await Marionette.connect(marionettePort);
  await signIn(thunderbird, { smtp: password, imap: "secret" });
  for (const { kind, by, server: key } of ways) {
    const before = recordings.length;
    await sendMessage(thunderbird, { key, subject: `By ${by} to ${kind}` });
    const ended = () => recordings.slice(before).some(({ client }) => client.includes("QUIT\r\n"));
    await until(`QUIT of ${key}`, ended, program);
    const recording = recordings.slice(before).find(({ client }) => client.includes("QUIT\r\n"));
    assert.ok(recording);
    if (by === "password") assert.match(recording.client, /^AUTH PLAIN /m);
    // Thunderbird knows no EXTERNAL: the handshake is all.
    else assert.doesNotMatch(recording.client, /^AUTH/m);
    process.stdout.write(`sent by ${by} to ${kind}\n`);
    if (values.record === true) await record(recording, { kind, by, key });
  }
  const delivered = () => server.log.of("recipient-delivered").length >= ways.length;
  await until("the bounces in the Maildir", delivered, program);
  await runProgram("chown", ["-R", "nobody:nogroup", `${server.dataDir}/mail`]);
  const bounces = await readInbox(thunderbird, ways.length);
  for (const { kind, by } of ways) {
    const bounce = bounces.find((text) => text.includes(`Subject: By ${by} to ${kind}\r\n`));
    assert.match(bounce ?? "", /550 5\.1\.1 No such user here/, `the bounce of the message by ${by} to ${kind}`);
  }
  process.stdout.write(`read ${bounces.length} bounces over IMAP\n`);
  await thunderbird.quit();
} catch (error) {
  const log = `${process.cwd()}/thunderbird.log`;
  const sessions = recordings.map(({ entries }) => entries.map(({ side, text }) => `${side}: ${text}`).join("\n"));
  const parts = [program.output(), JSON.stringify(server.log.events, null, 1), ...sessions, dovecot.log()];
  writeFileSync(log, parts.join("\n\n").replaceAll(password, "(password)"));
  process.stdout.write(`failed; see ${log}\n`);
  throw error;
} finally {
  await program.stop();
}

async function startServer(): Promise<RealServer> {
  const { endpoint } = refusing;
  const relayPort = endpoint.kind === "ip" ? endpoint.port : assert.fail();
  const listen = "127.0.0.1:0";
  const started = await RealServer.start(
    {
      listener: [
        { kind: "submission", listen, client_certificates: true },
        { kind: "submissions", listen, client_certificates: true },
      ],
      tls: { certificate: folder.file("server.pem"), key: folder.file("server.key") },
      user: [],
      route: [{ domain: "example.net", via: "relay", host: `127.0.0.1:${relayPort}` }],
    },
    undefined,
    { network: recorded(network, recordings) },
  );
  const post = async (path: string, json: unknown) => {
    const response = await controlRequest(`${started.dataDir}/control.sock`, path, { method: "POST", json });
    assert.ok(response.ok, `${path}: ${response.status}`);
  };
  await post("/api/v1/users", { address, password });
  const laptop = makeClientCertificate(address, { days: 2, now: Date.now() });
  await post(`/api/v1/users/${address}/keys`, { pem: laptop.certificatePem, label: "laptop" });
  writeFileSync(folder.file("ann.key"), laptop.keyPem);
  writeFileSync(folder.file("ann.pem"), laptop.certificatePem);
  const files = ["-in", folder.file("ann.pem"), "-inkey", folder.file("ann.key"), "-out", folder.file("ann.p12")];
  await openssl("pkcs12", "-export", ...files, "-passout", "pass:");
  return started;
}

/** An authority, and a certificate of it for mail.example.org. */
async function makeCertificates(target: Folder): Promise<void> {
  const file = (name: string) => target.file(name);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const ca = ["-keyout", file("ca.key"), "-out", file("ca.pem"), "-subj", "/CN=Test authority"];
  await openssl("req", "-x509", ...key, ...ca, "-addext", "keyUsage=critical,keyCertSign");
  const signed = [
    "-CA",
    file("ca.pem"),
    "-CAkey",
    file("ca.key"),
    "-keyout",
    file("server.key"),
    "-out",
    file("server.pem"),
  ];
  const names = ["-addext", "subjectAltName=DNS:mail.example.org", "-addext", "basicConstraints=critical,CA:FALSE"];
  await openssl("req", "-x509", ...key, ...signed, "-subj", "/CN=mail.example.org", ...names);
}

async function openssl(...args: readonly string[]): Promise<void> {
  const { status, output } = await runProgram("openssl", args);
  assert.equal(status, 0, output);
}

async function record(
  recording: Recording,
  { kind, by, key }: { readonly kind: string; readonly by: string; readonly key: string },
): Promise<void> {
  const { output } = await runProgram("thunderbird", ["--version"]);
  const body = /^MAIL .*BODY=8BITMIME/m.test(recording.client) ? " body=8BITMIME" : "";
  const facts = [
    `# Thunderbird sends through ${kind} and signs in by ${by}.`,
    `# Recorded: ${output.trim()} of Debian, by "npm run thunderbird -- --record"; the password was replaced.`,
    `listener: ${kind}`,
    ...(by === "certificate" ? ["certificate: yes"] : []),
    `ACCEPTED: <${address}> -> <friend@example.net>${body}`,
  ];
  const path = `${import.meta.dirname}/../dialects/clients/thunderbird-${key}.txt`;
  writeFileSync(path, dialogueOf(recording, password, facts));
}
