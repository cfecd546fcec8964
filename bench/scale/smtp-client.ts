/** A lean SMTP client for load: sends what it is given and waits for the replies, over TCP and, asked for, TLS. */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface ClientOptions {
  readonly tls?: boolean;
  /** Whom the server sees; default 127.0.0.1. */
  readonly localAddress?: string;
}

export class SmtpClient implements AsyncDisposable {
  #socket: Socket;
  #received = "";
  #replies: string[] = [];
  #wake: (() => void) | undefined;
  #lost: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen();
  }

  /** Connected, greeted, and past EHLO. */
  static async open(port: number, options: ClientOptions = {}): Promise<SmtpClient> {
    const { localAddress = "127.0.0.1" } = options;
    const client = new SmtpClient(connect({ port, host: "127.0.0.1", localAddress, noDelay: true }));
    await client.expect("220");
    await client.say("EHLO client.test", "250");
    if (options.tls !== true) return client;
    await client.say("STARTTLS", "220");
    await client.#startTls();
    await client.say("EHLO client.test", "250");
    return client;
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** Resolves when the socket takes more. */
  async write(bytes: string | Uint8Array): Promise<void> {
    if (this.#socket.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const go = () => {
        this.#socket.off("drain", go).off("close", go);
        resolve();
      };
      this.#socket.on("drain", go).on("close", go);
    });
  }

  async say(line: string, expected: string): Promise<string> {
    this.#socket.write(`${line}\r\n`);
    return this.expect(expected);
  }

  /** The next reply, the last of its lines; rejects when it begins otherwise or the connection is lost. */
  async expect(code: string): Promise<string> {
    while (this.#replies.length === 0) {
      if (this.#lost !== undefined) throw this.#lost;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const reply = this.#replies.shift() ?? "";
    if (!reply.startsWith(code)) throw new Error(`expected ${code}, got ${reply}`);
    return reply;
  }

  /** One message in one transaction; the envelope's commands leave together. `content` ends with CRLF and has no dots to stuff. */
  async send(recipient: string, content: Uint8Array): Promise<void> {
    this.#socket.write(`MAIL FROM:<sender@client.test>\r\nRCPT TO:<${recipient}>\r\nDATA\r\n`);
    await this.expect("250");
    await this.expect("250");
    await this.expect("354");
    this.#socket.write(content);
    await this.write(".\r\n");
    await this.expect("250");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }

  async #startTls(): Promise<void> {
    this.#socket.removeAllListeners();
    const socket = connectTls({ socket: this.#socket, rejectUnauthorized: false, servername: "posthaste.test" });
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve);
      socket.once("error", reject);
    });
    this.#socket = socket;
    this.#listen();
  }

  #listen(): void {
    this.#socket.on("data", (bytes: Buffer) => this.#take(bytes.toString("latin1")));
    this.#socket.on("error", (error) => (this.#lost = error));
    this.#socket.on("close", () => {
      this.#lost ??= new Error("the server closed the connection");
      this.#wake?.();
    });
  }

  #take(text: string): void {
    this.#received += text;
    for (let end = this.#received.indexOf("\n"); end !== -1; end = this.#received.indexOf("\n")) {
      const line = this.#received.slice(0, end - 1);
      this.#received = this.#received.slice(end + 1);
      if (line[3] === " ") this.#replies.push(line);
    }
    this.#wake?.();
  }
}

/** Content of about so many octets, in lines of usual length. */
export function contentOf(octets: number): Buffer {
  const header = "From: sender@client.test\r\nSubject: a message of the scale benchmark\r\n\r\n";
  const line = `${"0123456789".repeat(7)}\r\n`;
  const body = Buffer.alloc(octets - header.length, line);
  body.write("\r\n", body.length - 2);
  return Buffer.concat([Buffer.from(header), body]);
}

/** Messages accepted in `seconds` by so many sessions that each send one after the other, as a rate. */
export async function acceptRate(port: number, recipient: string, options: LoadOptions): Promise<number> {
  const content = contentOf(options.octets);
  const clients = await Promise.all(Array.from({ length: options.sessions }, () => SmtpClient.open(port)));
  const started = performance.now();
  let accepted = 0;
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() - started < options.seconds * 1000) {
        await client.send(recipient, content);
        accepted++;
      }
      await client[Symbol.asyncDispose]();
    }),
  );
  return accepted / ((performance.now() - started) / 1000);
}

export interface LoadOptions {
  readonly sessions: number;
  readonly seconds: number;
  readonly octets: number;
}
