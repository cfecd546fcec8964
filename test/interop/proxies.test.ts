/**
 * The real HAProxy in front of us: both versions of its PROXY protocol, health checks, TLS that it passes through and TLS that
 * it ends. The client's address is what we see, and whoever goes round the proxy is refused.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { makeSelfSigned } from "../../src/node/tls/self-signed.ts";
import { Folder } from "./support/folder.ts";
import { freePort } from "./support/free-port.ts";
import { startPosthaste } from "./support/posthaste.ts";
import { runProgram, startProgram, until, untilListening } from "./support/program.ts";

/** Clients of the test; the proxy itself connects from 127.0.0.1. */
const clientAddress = "127.0.0.2";

interface Line {
  readonly event?: string;
  readonly [field: string]: unknown;
}

async function ourServer() {
  const ports = [await freePort(), await freePort(), await freePort()] as const;
  const listener = (kind: string, port: number) =>
    `[[listener]]\nkind = "${kind}"\nlisten = "127.0.0.1:${port}"\nproxy = { from = ["127.0.0.1"] }\n`;
  const listeners = [listener("mx", ports[0]), listener("mx", ports[1]), listener("submissions", ports[2])];
  return { ports, ...(await start(ports, listeners.join("\n"))) };
}

async function start(ports: readonly number[], listeners: string) {
  const server = await startPosthaste({
    ports,
    configuration: `
      ${listeners}
      [[domain]]
      name = "local.test"
      [admin]
      listen = "127.0.0.1:${await freePort()}"
      [log]
      level = "debug"
    `,
  });
  const events = (name: string) =>
    server.program
      .output()
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Line)
      .filter(({ event }) => event === name);
  return { server, events };
}

/** A listener that takes XCLIENT from this machine's own address, as swaks says it. */
async function xclientServer() {
  const port = await freePort();
  const listener = `[[listener]]\nkind = "mx"\nlisten = "127.0.0.1:${port}"\nxclient = { from = ["127.0.0.1"] }\n`;
  return { port, ...(await start([port], listener)) };
}

async function startHaproxy(ports: readonly [number, number, number]) {
  const folder = new Folder();
  const pair = makeSelfSigned("mail.local.test", Date.now());
  const file = folder.file("pair.pem");
  writeFileSync(file, `${pair.certificatePem}\n${pair.keyPem}\n`);
  const [one, two, tls, ended] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const section = (name: string, port: number, bind: string, server: string) =>
    `listen ${name}\n  bind 127.0.0.1:${port} ${bind}\n  server us 127.0.0.1:${server}\n`;
  writeFileSync(
    folder.file("haproxy.cfg"),
    [
      "global\n  log stdout format raw local0\n",
      "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n",
      section("one", one, "", `${ports[0]} send-proxy`),
      section("two", two, "", `${ports[1]} send-proxy-v2 check inter 200ms`),
      section("tls", tls, "", `${ports[2]} send-proxy-v2`),
      section(
        "ended",
        ended,
        `ssl crt ${file}`,
        `${ports[1]} send-proxy-v2-ssl proxy-v2-options authority,crc32c,ssl,ssl-cipher`,
      ),
    ].join("\n"),
  );
  const program = startProgram("haproxy", ["-db", "-f", folder.file("haproxy.cfg")]);
  for (const port of [one, two, tls, ended]) await untilListening(port, program);
  return {
    ...{ one, two, tls, ended },
    output: () => program.output(),
    async [Symbol.asyncDispose]() {
      await program.stop();
      folder[Symbol.dispose]();
    },
  };
}

/** The greeting, as a client gets it that connects from the address. */
async function greeting(port: number, localAddress: string, tls = false): Promise<string> {
  const plain = connect({ port, host: "127.0.0.1", localAddress });
  const socket = tls ? connectTls({ socket: plain, servername: "mail.local.test", rejectUnauthorized: false }) : plain;
  let text = "";
  socket.on("data", (bytes: Buffer) => {
    text += bytes.toString("latin1");
    if (!socket.writableEnded) socket.end("QUIT\r\n");
  });
  socket.on("error", () => undefined);
  await new Promise<void>((resolve) => void socket.once("close", () => resolve()));
  plain.destroy();
  return text;
}

test("HAProxy: send-proxy, send-proxy-v2 with health checks, before TLS, and with the facts of the TLS that it ended", async () => {
  const { server, ports, events } = await ourServer();
  await using _ = server;
  await using haproxy = await startHaproxy(ports);
  const told = () => haproxy.output() + server.program.output();
  for (const [port, tls] of [[haproxy.one, false], [haproxy.two, false], [haproxy.tls, true], [haproxy.ended, true]] as const) {
    assert.match(await greeting(port, clientAddress, tls), /^220 posthaste\.test ESMTP\r\n221 /, told());
  } // prettier-ignore
  const sessions = () => events("session-opened").filter(({ client }) => client === clientAddress);
  await until("four sessions of the client", () => sessions().length === 4, server.program);
  for (const { proxy } of sessions()) assert.equal(proxy, "127.0.0.1");
  const [ended] = sessions().filter(({ server_name: name }) => name === "mail.local.test");
  assert.match(String(ended?.["proxy_tls"]), /^TLSv1\.3 TLS_/);
  // A health check is LOCAL: the proxy itself.
  const checks = () =>
    events("session-opened").filter(({ client, proxy }) => client === "127.0.0.1" && proxy === undefined);
  await until("a health check", () => checks().length > 0, server.program);

  assert.equal(await greeting(ports[0], clientAddress), "");
  assert.equal(await greeting(ports[2], clientAddress, true), "");
  const refused = () => events("proxy-header-refused").filter(({ client }) => client === clientAddress);
  await until("two refusals", () => refused().length === 2, server.program);
  assert.deepEqual(refused().map(({ reason }) => reason), ["not-listed", "not-listed"]); // prettier-ignore
});

test("swaks: XCLIENT with an IPv4, an IPv6 and an unknown address; LOGIN gives no right", async () => {
  const { server, port, events } = await xclientServer();
  await using _ = server;
  const swaks = (...attributes: readonly string[]) =>
    runProgram("swaks", [
      ...["--server", "127.0.0.1", "--port", String(port), "--from", "s@x.example", "--to", "u@elsewhere.test"],
      ...["--xclient-no-verify", ...attributes],
    ]);
  for (const [address, expected] of [
    ["203.0.113.9", "203.0.113.9"],
    ["IPV6:2001:db8::9", "2001:db8::9"],
    ["[UNAVAILABLE]", "127.0.0.1"],
  ] as const) {
    const named = () => events("session-opened").filter(({ proxy }) => proxy !== undefined);
    const before = named().length;
    const { output } = await swaks(
      "--xclient-addr",
      address,
      "--xclient-helo",
      "mail.x.example",
      "--xclient-login",
      "ann",
    );
    assert.match(output, /<- {2}220 posthaste\.test ESMTP[^]*-> XCLIENT [^]*<- {2}220 posthaste\.test ESMTP/, output);
    assert.match(output, /RCPT TO:<u@elsewhere\.test>\s+<\*\* 550 5\.7\.1/, output);
    await until("the client that was named", () => named().length === before + 1, server.program);
    const { client, proxy } = named().at(-1) ?? assert.fail();
    assert.deepEqual([client, proxy], [expected, "127.0.0.1"]);
  }
});
