/**
 * A mail program's side of a dialogue, said to a whole receiving server, whose replies have to fit. In the end the server
 * has to hold exactly the messages that the dialogue names, their content octet for octet as it was sent.
 *
 * Names: `listener`, `from` (the client's address), `certificate` (of ann@example.org, by an authority that the listener
 * trusts), and for each message `ACCEPTED: <reverse-path> -> <recipient> ... [body=8BITMIME] [smtputf8]`.
 */
import assert from "node:assert/strict";
import type { ListenerOptions } from "../../src/inbound/listener-options.ts";
import type { ReceivingServer, ScriptedClient } from "../../src/testing/receiving-server.ts";
import { type Dialogue, fits, octetsOf, type Variables } from "./dialogue.ts";

export interface ClientPlay {
  readonly server: ReceivingServer;
  readonly variables: Variables;
  /** Work of other threads that a reply may wait for. */
  readonly underWay: () => Promise<unknown>;
}

export async function playClient(dialogue: Dialogue, { server, variables, underWay }: ClientPlay): Promise<void> {
  const sent = new SentContent();
  if (dialogue.one("certificate") !== undefined) {
    const certificate = { keySha256: "00".repeat(32), subject: "CN=ann", trusted: true, emails: ["ann@example.org"] };
    server.network.tlsOutcome = () => ({ kind: "established", facts: { clientCertificate: certificate } });
  }
  const client = await server.dial(dialogue.one("listener") as ListenerOptions["kind"], dialogue.one("from"));
  for (const step of dialogue.steps) {
    switch (step.kind) {
      case "client": {
        const flight = Buffer.concat(step.lines.map((line) => octetsOf(line, variables)));
        sent.add(flight);
        client.send(flight.toString("latin1"));
        break;
      }
      case "server":
        for (const pattern of repliesOf(step.lines)) {
          await client.unread();
          await underWay();
          const reply = await client.reply();
          assert.ok(fits(reply, pattern, variables), `${dialogue.path}: expected ${pattern}, heard ${reply}`);
          sent.replied(reply);
        }
        break;
      case "tls":
        await client.connection.startTls({
          side: "client",
          serverName: "mail.example.org",
          demand: { kind: "required" },
        });
        break;
      case "close":
        await close(client, step.side, dialogue);
        break;
      default:
        step satisfies never;
    }
  }
  assert.equal(await client.unread(), "", `${dialogue.path}: more was answered`);
  await assertAccepted(dialogue, server, sent.contents);
}

async function close(client: ScriptedClient, side: "client" | "server", { path }: Dialogue): Promise<void> {
  if (side === "client") client.connection.destroy();
  else assert.ok(await client.ended(), `${path}: the server did not close`);
}

/** The lines of each reply joined by "\n"; a reply ends with the line that has no hyphen (RFC 5321 §4.2.1). */
function repliesOf(lines: readonly string[]): readonly string[] {
  const replies: string[][] = [[]];
  for (const line of lines) {
    replies.at(-1)?.push(line);
    if (!/^\d{3}-/.test(line)) replies.push([]);
  }
  return replies.filter((reply) => reply.length > 0).map((reply) => reply.join("\n"));
}

async function assertAccepted(dialogue: Dialogue, server: ReceivingServer, sent: readonly string[]): Promise<void> {
  const messages = await server.messages();
  const found = messages.map(({ message, recipients }) => {
    const to = recipients.map(({ address }) => `<${address}>`).join(" ");
    const body = message.body === "7BIT" ? "" : ` body=${message.body}`;
    return `<${message.reversePath}> -> ${to}${body}${message.smtpUtf8 ? " smtputf8" : ""}`;
  });
  assert.deepEqual(found, dialogue.all("ACCEPTED"), dialogue.path);
  for (const [index, { content }] of messages.entries()) {
    // The server puts fields on top that a submission lacks (RFC 6409 §8).
    const added = content.slice(0, -(sent[index] ?? "").length);
    assert.equal(content, added + (sent[index] ?? ""), dialogue.path);
    assert.match(added, /^(?:(?:Date|Message-ID): .*\r\n)*$/, dialogue.path);
  }
}

/** Follows a client's octets, and keeps the content of each message that the server accepted (latin1). */
class SentContent {
  readonly contents: string[] = [];
  #chunks = "";
  #inData = false;
  #whole: string | undefined;

  add(flight: Buffer): void {
    let rest = flight.toString("latin1");
    while (rest !== "") {
      const end = this.#inData ? rest.indexOf("\r\n.\r\n") + 2 : rest.indexOf("\r\n") + 2;
      const line = rest.slice(0, end);
      rest = rest.slice(this.#inData ? end + 3 : end);
      if (this.#inData) {
        this.#whole = line.replaceAll(/^\./gm, "");
        this.#inData = false;
        continue;
      }
      const [, size, last] = /^BDAT (\d+)( LAST)?\r\n$/i.exec(line) ?? [];
      if (/^(?:RSET|EHLO.*)\r\n$/i.test(line)) this.#chunks = "";
      if (size === undefined) continue;
      this.#chunks += rest.slice(0, Number(size));
      rest = rest.slice(Number(size));
      if (last === undefined) continue;
      this.#whole = this.#chunks;
      this.#chunks = "";
    }
  }

  replied(reply: string): void {
    if (reply.startsWith("354 ")) this.#inData = true;
    if (this.#whole === undefined || !/^250 2\.0\.0 .*queued/.test(reply)) return;
    this.contents.push(this.#whole);
    this.#whole = undefined;
  }
}
