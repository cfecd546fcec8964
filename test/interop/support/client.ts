/** A plain SMTP client that sends exactly the octets it is given, dots doubled and nothing else. */
import { connect } from "node:net";
import type { TestMessage } from "./messages.ts";

/** Sends all in one session; rejects on any reply that is not expected. */
export async function sendAll(
  port: number,
  envelope: { readonly from: string; readonly to: string },
  messages: readonly TestMessage[],
): Promise<readonly string[]> {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  let wake = () => undefined as void;
  socket.on("data", (bytes: Buffer) => {
    received += bytes.toString("latin1");
    wake();
  });
  let ended: Error | undefined;
  socket.on("error", (error) => (ended = error));
  socket.on("close", () => {
    ended ??= new Error("the connection was closed");
    wake();
  });
  const reply = async (expected: string): Promise<string> => {
    for (;;) {
      const complete = /^(?:\d{3}-[^\n]*\n)*\d{3} [^\n]*\n/.exec(received);
      if (complete) {
        received = received.slice(complete[0].length);
        if (!complete[0].startsWith(expected)) throw new Error(`expected ${expected}, got ${complete[0]}`);
        return complete[0];
      }
      if (ended) throw ended;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  const say = async (line: string, expected: string) => {
    socket.write(`${line}\r\n`);
    return reply(expected);
  };
  const answers: string[] = [];
  await reply("220");
  await say("EHLO sender.test", "250");
  for (const { content } of messages) {
    await say(`MAIL FROM:<${envelope.from}>${content.some((octet) => octet > 127) ? " BODY=8BITMIME" : ""}`, "250");
    await say(`RCPT TO:<${envelope.to}>`, "250");
    await say("DATA", "354");
    const text = content.toString("latin1").replaceAll(/^\./gm, "..");
    socket.write(Buffer.from(text.endsWith("\r\n") ? text : `${text}\r\n`, "latin1"));
    answers.push(await say(".", "250"));
  }
  await say("QUIT", "221");
  socket.destroy();
  return answers;
}
