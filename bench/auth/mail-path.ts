/**
 * The whole mail path with all checks of inbound mail on, and without: two servers, asked in turns. The messages come from a
 * hundred domains, each with SPF, a DKIM signature and DMARC, served by a DNS server of our own.
 */
import { startPosthaste, type PosthasteServer } from "../../test/interop/support/posthaste.ts";
import { freePort } from "../../test/interop/support/free-port.ts";
import { quiet } from "../peers.ts";
import { TableDnsServer } from "./dns-server.ts";
import { plainBody, recordsOf, signedMessage } from "./messages.ts";
import type { Row } from "./rows.ts";
import { prepareMessage, sendMessages, type PreparedMessage } from "./sender.ts";

const domains = 100;
const messageBytes = 4096;
const client = "127.0.0.1";

export async function measureMailPath(options: {
  readonly rounds: number;
  readonly messages: number;
  readonly sessions: number;
  readonly say: (text: string) => void;
}): Promise<Row> {
  const { rounds, messages: count, sessions, say } = options;
  const messages: PreparedMessage[] = [];
  const records = new Map<string, readonly string[]>([
    ["PTR 1.0.0.127.in-addr.arpa", ["mail.example"]],
    ["A mail.example", [client]],
  ]);
  for (let index = 0; index < domains; index++) {
    const domain = `sender${index}.example`;
    for (const [name, text] of recordsOf(domain, client)) records.set(`TXT ${name}`, [text]);
    const message = await signedMessage(domain, `m${index}`, plainBody(messageBytes - 1200));
    messages.push(prepareMessage(`ann@${domain}`, message));
  }
  await using dns = await TableDnsServer.start(records);
  await using checking = await startServer(dns.address, true);
  await using trusting = await startServer(dns.address, false);
  const row = {
    name: "accept with all checks, kept sessions",
    unit: "a second",
    ours: [] as number[],
    bare: { name: "without checks", values: [] as number[] },
    bar: { kind: "bare", times: 0.5 },
  } as const satisfies Row;
  const turns = [
    { server: checking, into: row.ours, name: "with checks" },
    { server: trusting, into: row.bare.values, name: "without" },
  ];
  const send = (port: number) => sendMessages({ port, sessions, count, recipient: "box@discard.test", messages });
  for (const { server, name } of turns) {
    // Compiling goes on for some 20,000 messages.
    say(`mail path ${name}: warming up …`);
    for (let sent = 0; sent < 20_000; sent += count) await send(server.port);
  }
  if (dns.asked < domains) throw new Error(`the checks asked for only ${dns.asked} names`);
  for (let round = 1; round <= rounds; round++) {
    for (const { server, into, name } of round % 2 === 1 ? turns : turns.toReversed()) {
      if (!(await quiet())) say("the machine is busy with other things");
      say(`round ${round} of ${rounds}: mail path ${name} …`);
      into.push(count / (await send(server.port)));
    }
  }
  return row;
}

async function startServer(dns: string, check: boolean): Promise<PosthasteServer & { readonly port: number }> {
  const port = await freePort();
  const server = await startPosthaste({
    ports: [port],
    // Into a file, and not through a pipe that this process would have to read meanwhile.
    wrap: ["sh", "-c", 'exec "$@" > log', "sh"],
    configuration: `
      [[listener]]
      kind = "mx"
      listen = "127.0.0.1:${port}"
      [dns]
      servers = ["${dns}"]
      [authentication]
      check = ${check}
      [[domain]]
      name = "discard.test"
      recipients = "any"
      [[route]]
      domain = "discard.test"
      via = "discard"
      [admin]
      listen = "127.0.0.1:${await freePort()}"
    `,
  });
  return { ...server, port };
}
