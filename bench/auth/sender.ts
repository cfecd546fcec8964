/**
 * Sends given messages over kept sessions, one transaction after the other on each, every command waiting for its reply as
 * Postfix's smtp-source has it. smtp-source itself makes up what it sends, so it cannot send what is signed.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface PreparedMessage {
  readonly reversePath: string;
  /** With dots doubled and the final dot. */
  readonly content: Buffer;
}

export function prepareMessage(reversePath: string, message: Buffer): PreparedMessage {
  const text = message.toString("latin1").replaceAll(/^\./gm, "..");
  return { reversePath, content: Buffer.from(`${text.endsWith("\r\n") ? text : `${text}\r\n`}.\r\n`, "latin1") };
}

/** Seconds until the last of `count` messages was answered 250. Anything else ends it with an error. */
export async function sendMessages(options: {
  readonly port: number;
  readonly sessions: number;
  readonly count: number;
  readonly recipient: string;
  readonly messages: readonly PreparedMessage[];
}): Promise<number> {
  const { port, sessions, count, recipient, messages } = options;
  const lines = await Promise.all(Array.from({ length: sessions }, () => Session.open(port)));
  let next = 0;
  const started = performance.now();
  await Promise.all(
    lines.map(async (session) => {
      while (next < count) {
        const message = messages[next++ % messages.length];
        if (message === undefined) throw new Error("there is no message to send");
        await session.send(message, recipient);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  for (const session of lines) session.close();
  return seconds;
}

class Session {
  readonly #socket: Socket;
  #received = "";
  #waiting: { resolve(reply: string): void; reject(error: Error): void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true).setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.#received += text;
      // A reply ends with a line that has a space behind its code.
      if (!/(?:^|\n)\d{3} [^\n]*\n$/.test(this.#received)) return;
      const reply = this.#received;
      this.#received = "";
      this.#waiting?.resolve(reply);
    });
    socket.on("error", (error) => this.#waiting?.reject(error));
    socket.on("close", () => this.#waiting?.reject(new Error("the server closed the session")));
  }

  static async open(port: number): Promise<Session> {
    const socket = connect(port, "127.0.0.1");
    const session = new Session(socket);
    const greeting = session.#reply("220");
    await once(socket, "connect");
    await greeting;
    await session.#command("EHLO mail.example\r\n", "250");
    return session;
  }

  async send({ reversePath, content }: PreparedMessage, recipient: string): Promise<void> {
    await this.#command(`MAIL FROM:<${reversePath}>\r\n`, "250");
    await this.#command(`RCPT TO:<${recipient}>\r\n`, "250");
    await this.#command("DATA\r\n", "354");
    await this.#command(content, "250");
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.end("QUIT\r\n");
  }

  async #command(bytes: string | Buffer, code: string): Promise<void> {
    const replied = this.#reply(code);
    this.#socket.write(bytes);
    await replied;
  }

  async #reply(code: string): Promise<void> {
    const reply = await new Promise<string>((resolve, reject) => (this.#waiting = { resolve, reject }));
    if (!reply.startsWith(code)) throw new Error(`the server answered ${reply}`);
  }
}
