/**
 * A server that does what a test tells it: each command is answered by the script, and where the script is silent, as a
 * well-behaved server would. Records what it heard. Speaks SMTP or LMTP, with DATA and BDAT, in clear or under TLS, over
 * whatever network it is given. Judges nothing; it is no model of a server.
 */
import type { Endpoint } from "../lib/endpoint.ts";
import type { Connection, Network, NetworkListener } from "../ports/network.ts";

/** One command, or with the verb "." an end of data (BDAT … LAST too). */
export interface PeerCommand {
  readonly verb: string;
  readonly line: string;
  /** Counts connections from 0. */
  readonly session: number;
  /** RCPT commands of this transaction, this one included. */
  readonly recipients: number;
  readonly tls: boolean;
  /** For LMTP's end of data: which accepted recipient this reply is for. */
  readonly recipient?: string;
}

/** Reply text without its last CRLF; `stall` answers never, `close` and `reset` end the connection instead. */
export type PeerAnswer = string | { readonly reply: string; readonly close: true } | typeof stall | typeof close;
export const stall = Symbol("stall");
export const close = Symbol("close");

export interface PeerScript {
  readonly dialect?: "smtp" | "lmtp";
  readonly greeting?: PeerAnswer;
  /** EHLO keywords in clear. */
  readonly keywords?: readonly string[];
  /** EHLO keywords under TLS; default: the same without STARTTLS. */
  readonly tlsKeywords?: readonly string[];
  readonly implicitTls?: boolean;
  readonly answer?: (command: PeerCommand) => PeerAnswer | undefined;
}

export interface PeerMessage {
  readonly mail: string;
  /** RCPT lines that were accepted. */
  readonly recipients: readonly string[];
  /** Dots unstuffed. */
  readonly content: Buffer;
  readonly via: "DATA" | "BDAT";
  readonly session: number;
}

export class ScriptedPeer implements AsyncDisposable {
  /** Every command line of every session in order, "." for an end of data. */
  readonly lines: string[] = [];
  /** Messages whose content arrived whole, whatever was answered. */
  readonly messages: PeerMessage[] = [];
  /** How many pieces of input arrived; one flight is one. */
  flights = 0;
  sessions = 0;
  openSessions = 0;
  script: PeerScript;
  readonly #connections = new Set<Connection>();
  #listener: NetworkListener | undefined;

  private constructor(script: PeerScript) {
    this.script = script;
  }

  static async listen(network: Network, endpoint: Endpoint, script: PeerScript = {}): Promise<ScriptedPeer> {
    const peer = new ScriptedPeer(script);
    peer.#listener = await network.listen(endpoint, {
      accept: (connection) => {
        if (script.implicitTls !== true) return peer.#accept(connection);
        connection.startTls({ side: "server", context: () => noCertificate }).then(
          () => peer.#accept(connection),
          () => connection.destroy(),
        );
      },
    });
    return peer;
  }

  get endpoint(): Endpoint {
    if (this.#listener === undefined) throw new Error("not listening");
    return this.#listener.endpoint;
  }

  /** Verbs heard, in order. */
  get verbs(): readonly string[] {
    return this.lines.map((line) => line.split(/[ :]/, 1)[0] ?? "");
  }

  /** Closes every open session from this side. */
  dropAll(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  /** Says something that nobody asked for to every open session. */
  say(text: string): void {
    for (const connection of this.#connections) connection.write(Buffer.from(`${text}\r\n`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dropAll();
    await this.#listener?.close();
  }

  #accept(connection: Connection): void {
    const session = new PeerSession(this, connection, this.sessions++);
    this.openSessions++;
    this.#connections.add(connection);
    connection.start({
      data: (bytes) => {
        this.flights++;
        session.receive(bytes);
      },
      end: () => connection.destroy(),
      drained: () => {},
      closed: () => {
        this.openSessions--;
        this.#connections.delete(connection);
      },
    });
    session.greet();
  }
}

const noCertificate = { certificatePem: "", keyPem: "", version: 1 };

class PeerSession {
  readonly #peer: ScriptedPeer;
  readonly #connection: Connection;
  readonly #number: number;
  #buffer = Buffer.alloc(0);
  #mail = "";
  #recipientsHeard = 0;
  #accepted: string[] = [];
  #content: Buffer[] = [];
  /** Octets of the BDAT chunk still to come; the chunk is the last one. */
  #chunk: { left: number; readonly last: boolean } | undefined;
  #inData = false;
  #loginSteps = 0;
  #silent = false;

  constructor(peer: ScriptedPeer, connection: Connection, number: number) {
    this.#peer = peer;
    this.#connection = connection;
    this.#number = number;
  }

  greet(): void {
    this.#say(this.#peer.script.greeting ?? "220 peer.test ready");
  }

  receive(bytes: Uint8Array): void {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    while (!this.#silent && this.#step()) {
      // Goes on until the input is used up.
    }
  }

  #step(): boolean {
    if (this.#chunk !== undefined) return this.#takeChunk(this.#chunk);
    if (this.#inData) return this.#takeData();
    const end = this.#buffer.indexOf("\r\n");
    if (end < 0) return false;
    const line = this.#buffer.subarray(0, end).toString("utf8");
    this.#buffer = this.#buffer.subarray(end + 2);
    this.#onLine(line);
    return true;
  }

  #onLine(line: string): void {
    this.#peer.lines.push(line);
    if (this.#loginSteps > 0) {
      this.#loginSteps--;
      return this.#say(this.#loginSteps > 0 ? "334 UGFzc3dvcmQ6" : (this.#scripted("AUTH", line) ?? "235 2.7.0 ok"));
    }
    const verb = (line.split(/[ :]/, 1)[0] ?? "").toUpperCase();
    if (verb === "RCPT") this.#recipientsHeard++;
    const scripted = verb === "AUTH" && /LOGIN$/i.test(line) ? undefined : this.#scripted(verb, line);
    const answer = scripted ?? this.#ordinary(verb, line);
    if (verb === "BDAT") return this.#beginChunk(line, scripted);
    const code = codeOf(answer);
    if (verb === "MAIL" && code === 2) this.#begin(line);
    if (verb === "RCPT" && code === 2) this.#accepted.push(line);
    if (verb === "RSET" || verb === "EHLO" || verb === "LHLO") this.#begin("");
    if (code === 3 && verb === "DATA") this.#inData = true;
    this.#say(answer);
    if (verb === "STARTTLS" && code === 2) this.#startTls();
    if (verb === "QUIT") this.#connection.end();
  }

  #ordinary(verb: string, line: string): PeerAnswer {
    switch (verb) {
      case "EHLO":
      case "LHLO":
        return ["peer.test", ...this.#keywords()]
          .map((text, index, all) => `250${index === all.length - 1 ? " " : "-"}${text}`)
          .join("\r\n");
      case "STARTTLS":
        return "220 2.0.0 go";
      case "AUTH":
        if (!/LOGIN$/i.test(line)) return "235 2.7.0 ok";
        this.#loginSteps = 2;
        return "334 VXNlcm5hbWU6";
      case "RCPT":
        return this.#mail === "" ? "503 5.5.1 MAIL first" : "250 2.1.5 ok";
      case "DATA":
        return this.#accepted.length === 0 ? "503 5.5.1 no recipients" : "354 go";
      case "QUIT":
        return "221 2.0.0 bye";
      default:
        return "250 2.0.0 ok";
    }
  }

  #keywords(): readonly string[] {
    const { keywords = [], tlsKeywords } = this.#peer.script;
    if (this.#connection.tls === undefined) return keywords;
    return tlsKeywords ?? keywords.filter((keyword) => keyword !== "STARTTLS");
  }

  #begin(mail: string): void {
    this.#mail = mail;
    this.#recipientsHeard = 0;
    this.#accepted = [];
    this.#content = [];
  }

  #beginChunk(line: string, refusal: PeerAnswer | undefined): void {
    const [, size = "0", last] = line.split(" ");
    this.#chunk = { left: Number(size), last: last !== undefined };
    if (refusal !== undefined) this.#accepted = [];
    this.#chunkAnswer = refusal ?? (this.#accepted.length === 0 ? "503 5.5.1 no recipients" : undefined);
  }
  #chunkAnswer: PeerAnswer | undefined;

  #takeChunk(chunk: { left: number; readonly last: boolean }): boolean {
    const bytes = this.#buffer.subarray(0, chunk.left);
    this.#buffer = this.#buffer.subarray(bytes.length);
    this.#content.push(bytes);
    chunk.left -= bytes.length;
    if (chunk.left > 0) return false;
    this.#chunk = undefined;
    if (this.#chunkAnswer !== undefined) this.#say(this.#chunkAnswer);
    else if (chunk.last) this.#endOfData(Buffer.concat(this.#content), "BDAT");
    else this.#say("250 2.0.0 chunk ok");
    return true;
  }

  #takeData(): boolean {
    const end = this.#buffer.subarray(0, 3).toString("latin1") === ".\r\n" ? -2 : this.#buffer.indexOf("\r\n.\r\n");
    if (end === -1) return false;
    const wire = this.#buffer.subarray(0, end + 2).toString("latin1");
    this.#buffer = this.#buffer.subarray(end + 5);
    this.#inData = false;
    this.#endOfData(Buffer.from(wire.replaceAll(/(^|\r\n)\./g, "$1"), "latin1"), "DATA");
    return true;
  }

  #endOfData(content: Buffer, via: PeerMessage["via"]): void {
    const { script, messages, lines } = this.#peer;
    lines.push(".");
    messages.push({ mail: this.#mail, recipients: this.#accepted, content, via, session: this.#number });
    const recipients = script.dialect === "lmtp" && this.#accepted.length > 0 ? this.#accepted : [undefined];
    this.#begin("");
    for (const recipient of recipients) {
      this.#say(this.#scripted(".", ".", recipient) ?? "250 2.0.0 Ok: queued as TEST");
      if (this.#silent) return;
    }
  }

  #scripted(verb: string, line: string, recipient?: string): PeerAnswer | undefined {
    return this.#peer.script.answer?.({
      verb,
      line,
      session: this.#number,
      recipients: this.#recipientsHeard,
      tls: this.#connection.tls !== undefined,
      ...(recipient !== undefined && { recipient }),
    });
  }

  #say(answer: PeerAnswer): void {
    if (typeof answer === "string") {
      this.#connection.write(Buffer.from(`${answer}\r\n`));
      return;
    }
    this.#silent = true;
    if (answer === stall) return;
    if (answer === close) return this.#connection.destroy();
    this.#connection.write(Buffer.from(`${answer.reply}\r\n`));
    this.#connection.end();
  }

  #startTls(): void {
    this.#buffer = Buffer.alloc(0);
    this.#begin("");
    this.#connection.startTls({ side: "server", context: () => noCertificate }).catch(() => this.#connection.destroy());
  }
}

/** First digit of a reply; 0 where there is none. */
function codeOf(answer: PeerAnswer): number {
  if (typeof answer === "symbol") return 0;
  return Number((typeof answer === "string" ? answer : answer.reply)[0]);
}
