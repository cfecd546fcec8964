/** A client that keeps no rules: it writes what it is given, whenever, and tells what it heard and whether it is still heard. */
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";

export interface PeerOptions {
  readonly host: string;
  readonly port: number;
  /** Whom the server sees. */
  readonly from: string;
  /** TLS from the first octet. */
  readonly tls?: boolean;
  /** It is gone after so long, whatever it waits for. */
  readonly lifeMs?: number;
}

/** More than any reply that is waited for; what a flood brings beyond it is not kept. */
const keptCharacters = 4096;

export class Peer implements Disposable {
  socket: Socket;
  /** The end of what the server said and {@link hears} has not used up. */
  heard = "";
  closed = false;
  #wake: (() => void) | undefined;
  #end: NodeJS.Timeout | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.#listen();
  }

  /** Connected, or closed at once: whoever is not let in hears nothing. */
  static async open({ host, port, from, tls = false, lifeMs }: PeerOptions): Promise<Peer> {
    const socket = connect({ host, port, localAddress: from, noDelay: true });
    const peer = new Peer(socket);
    if (lifeMs !== undefined) peer.#end = setTimeout(() => peer.socket.destroy(), lifeMs);
    await peer.#until(() => !socket.connecting);
    if (tls && !peer.closed) await peer.secure();
    return peer;
  }

  /** False where the connection is gone. */
  write(text: string | Uint8Array): boolean {
    return !this.closed && this.socket.write(text);
  }

  /** Resolves when the system has taken what was written. */
  async drained(): Promise<void> {
    await this.#until(() => this.socket.writableLength === 0);
  }

  /** Waits until the server has said this, uses it up, and gives it; undefined: it closed instead. */
  async hears(pattern: RegExp): Promise<string | undefined> {
    await this.#until(() => pattern.test(this.heard));
    const found = pattern.exec(this.heard);
    if (found === null) return undefined;
    this.heard = this.heard.slice(found.index + found[0].length);
    return found[0];
  }

  /** A command and the last line of its reply. */
  async says(line: string): Promise<string | undefined> {
    this.write(`${line}\r\n`);
    return await this.hears(/^\d{3} .*\r\n/m);
  }

  /** Greeted, and EHLO said; false where the server wants nothing of it. */
  async introduces(): Promise<boolean> {
    if ((await this.hears(/^\d{3} .*\r\n/m))?.startsWith("220") !== true) return false;
    return (await this.says("EHLO peer.test"))?.startsWith("250") === true;
  }

  /** A handshake over the connection; a failed one closes it. */
  async secure(options: { readonly maxVersion?: "TLSv1.2" } = {}): Promise<TLSSocket> {
    this.socket.removeAllListeners();
    const socket = connectTls({
      socket: this.socket,
      rejectUnauthorized: false,
      servername: "mail.example.org",
      ...options,
    });
    this.socket = socket;
    this.heard = "";
    let isSecure = false;
    socket.once("secureConnect", () => {
      isSecure = true;
      this.#wake?.();
    });
    this.#listen();
    await this.#until(() => isSecure);
    return socket;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  async #until(isDone: () => boolean): Promise<void> {
    while (!this.closed && !isDone()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #listen(): void {
    const { socket } = this;
    socket.on("data", (bytes: Buffer) => {
      this.heard = (this.heard + bytes.toString("latin1")).slice(-keptCharacters);
      this.#wake?.();
    });
    socket.on("connect", () => this.#wake?.());
    socket.on("drain", () => this.#wake?.());
    // What is wrong shows in that it is closed.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.closed = true;
      clearTimeout(this.#end);
      this.#wake?.();
    });
  }
}
