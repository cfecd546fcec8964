/** A plain SMTP client that sends exactly the octets it is given, dots doubled and nothing else. */
import { connect } from "node:net";
import type { TestMessage } from "./messages.ts";

interface TestEnvelope {
  readonly from: string;
  readonly to: string;
}

/** Sends all in one session; rejects on any reply that is not expected. */
export async function sendAll(
  port: number,
  envelope: TestEnvelope,
  messages: readonly TestMessage[],
): Promise<readonly string[]> {
  using client = new Conversation(port);
  const answers: string[] = [];
  await client.reply("220");
  await client.say("EHLO sender.test", "250");
  for (const { content } of messages) {
    const body = content.some((octet) => octet > 127) ? " BODY=8BITMIME" : "";
    await client.say(`MAIL FROM:<${envelope.from}>${body}`, "250");
    await client.say(`RCPT TO:<${envelope.to}>`, "250");
    await client.say("DATA", "354");
    const text = content.toString("latin1").replaceAll(/^\./gm, "..");
    client.write(Buffer.from(text.endsWith("\r\n") ? text : `${text}\r\n`, "latin1"));
    answers.push(await client.say(".", "250"));
  }
  await client.say("QUIT", "221");
  return answers;
}

/** Sends all as BODY=BINARYMIME, each in one chunk; the reply to each. */
export async function sendBinary(
  port: number,
  envelope: TestEnvelope,
  contents: readonly Buffer[],
): Promise<readonly string[]> {
  using client = new Conversation(port);
  const answers: string[] = [];
  await client.reply("220");
  await client.say("EHLO sender.test", "250");
  for (const content of contents) {
    await client.say(`MAIL FROM:<${envelope.from}> BODY=BINARYMIME`, "250");
    await client.say(`RCPT TO:<${envelope.to}>`, "250");
    client.write(Buffer.concat([Buffer.from(`BDAT ${content.length} LAST\r\n`), content]));
    answers.push(await client.reply(""));
  }
  await client.say("QUIT", "221");
  return answers;
}

class Conversation implements Disposable {
  readonly #socket;
  #received = "";
  #ended: Error | undefined;
  #wake = () => undefined as void;

  constructor(port: number) {
    const socket = connect(port, "127.0.0.1");
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.#received += bytes.toString("latin1");
      this.#wake();
    });
    socket.on("error", (error) => (this.#ended = error));
    socket.on("close", () => {
      this.#ended ??= new Error("the connection was closed");
      this.#wake();
    });
  }

  /** The next whole reply, which begins with `expected`. */
  async reply(expected: string): Promise<string> {
    for (;;) {
      const complete = /^(?:\d{3}-[^\n]*\n)*\d{3} [^\n]*\n/.exec(this.#received);
      if (complete) {
        this.#received = this.#received.slice(complete[0].length);
        if (!complete[0].startsWith(expected)) throw new Error(`expected ${expected}, got ${complete[0]}`);
        return complete[0];
      }
      if (this.#ended) throw this.#ended;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async say(line: string, expected: string): Promise<string> {
    this.write(Buffer.from(`${line}\r\n`));
    return await this.reply(expected);
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
