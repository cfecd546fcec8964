/**
 * A client that hands over one message by SMTP in simulated time, patiently and correctly, and tells what it was told. What
 * it cannot know, it says: a connection that is lost behind the end of data leaves the outcome open.
 */
import type { Clock } from "../../src/ports/clock.ts";
import type { Endpoint } from "../../src/lib/endpoint.ts";
import type { Connection, Network } from "../../src/ports/network.ts";

export interface Letter {
  readonly from: string;
  /** Each with its parameters: `<a@b.test> NOTIFY=NEVER`. */
  readonly to: readonly string[];
  readonly mailParameters: string;
  readonly content: Buffer;
  /** As the client's address. */
  readonly client: string;
  /** A user of ours who logs in, over TLS. */
  readonly login?: { readonly user: string; readonly password: string };
  /** Falls silent behind this step, and waits for the server to lose patience. */
  readonly silentAfter?: "connect" | "MAIL" | "DATA";
}

export type HandOver =
  /** `accepted`: indexes of `to` that were taken; `refusals`: what was said to the others. */
  | {
      readonly kind: "accepted";
      readonly id: string;
      readonly accepted: readonly number[];
      readonly refusals: readonly string[];
    }
  | { readonly kind: "refused"; readonly reply: string }
  /** Nothing was handed over. */
  | { readonly kind: "failed"; readonly reason: string }
  /** The whole content was sent, and no reply came. */
  | { readonly kind: "unknown" };

const patienceMs = 15 * 60_000;

export async function handOver(network: Network, clock: Clock, server: Endpoint, letter: Letter): Promise<HandOver> {
  let connection: Connection;
  try {
    const tls =
      letter.login === undefined
        ? {}
        : ({ tls: { serverName: "mail.example.org", demand: { kind: "required" } } } as const);
    connection = await network.connect(server, {
      localAddress: letter.client,
      signal: clock.timeout(patienceMs),
      ...tls,
    });
  } catch (error) {
    return { kind: "failed", reason: String(error) };
  }
  const dialogue = new Dialogue(connection, clock);
  let whole = false;
  try {
    await dialogue.expect(220);
    if (letter.silentAfter === "connect") return await dialogue.fallSilent();
    await dialogue.ask("EHLO client.test", 250);
    if (letter.login !== undefined) {
      const { user, password } = letter.login;
      await dialogue.ask(`AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString("base64")}`, 235);
    }
    await dialogue.ask(`MAIL FROM:<${letter.from}>${letter.mailParameters}`, 250);
    if (letter.silentAfter === "MAIL") return await dialogue.fallSilent();
    const accepted: number[] = [];
    const refusals: string[] = [];
    for (const [index, to] of letter.to.entries()) {
      const reply = await dialogue.ask(`RCPT TO:${to}`);
      if (reply.startsWith("2")) accepted.push(index);
      else refusals.push(`${reply} to ${to}`);
    }
    if (accepted.length === 0) {
      dialogue.quit();
      return { kind: "refused", reply: refusals.join("; ") };
    }
    await dialogue.ask("DATA", 354);
    if (letter.silentAfter === "DATA") return await dialogue.fallSilent();
    dialogue.write(letter.content);
    whole = true;
    const reply = await dialogue.reply();
    dialogue.quit();
    const id = /^250 2\.0\.0 Ok: queued as (\w{12})$/.exec(reply)?.[1];
    return id === undefined ? { kind: "refused", reply } : { kind: "accepted", id, accepted, refusals };
  } catch (error) {
    connection.destroy();
    if (whole) return { kind: "unknown" };
    return error instanceof Refusal
      ? { kind: "refused", reply: error.message }
      : { kind: "failed", reason: String(error) };
  }
}

class Refusal extends Error {}

class Dialogue {
  readonly #connection: Connection;
  readonly #clock: Clock;
  #received = "";
  #over: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(connection: Connection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
    const over = (error: Error) => {
      this.#over ??= error;
      this.#wake();
    };
    connection.start({
      data: (bytes) => {
        this.#received += Buffer.from(bytes).toString("latin1");
        this.#wake();
      },
      end: () => over(new Error("the server ended the connection")),
      drained: () => undefined,
      closed: (error) => over(error ?? new Error("closed")),
    });
  }

  write(bytes: Buffer): void {
    this.#connection.write(bytes);
  }

  async ask(line: string, code?: number): Promise<string> {
    this.write(Buffer.from(`${line}\r\n`));
    return await this.expect(code);
  }

  async expect(code?: number): Promise<string> {
    const reply = await this.reply();
    if (code !== undefined && !reply.startsWith(String(code))) {
      this.quit();
      throw new Refusal(reply);
    }
    return reply;
  }

  /** The last line of the next reply. */
  async reply(): Promise<string> {
    for (;;) {
      const match = /^(?:\d{3}-[^\n]*\n)*(\d{3} [^\r\n]*)\r\n/.exec(this.#received);
      if (match !== null) {
        this.#received = this.#received.slice(match[0].length);
        return match[1] ?? "";
      }
      if (this.#over !== undefined) throw this.#over;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = this.#clock.setTimer(patienceMs, () => {
        this.#over = new Error("no reply in time");
        resolve();
      });
      await promise;
      timer.cancel();
    }
  }

  /** Says no more, not even good-bye. */
  async fallSilent(): Promise<HandOver> {
    const told = await this.reply().catch(String);
    this.#connection.destroy();
    return { kind: "failed", reason: `silent: ${told}` };
  }

  quit(): void {
    this.write(Buffer.from("QUIT\r\n"));
    this.#connection.end();
  }
}
