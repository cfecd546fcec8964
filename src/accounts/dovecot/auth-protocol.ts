/**
 * Dovecot's authentication protocol, seen from the client (version 1): lines of fields, separated by tabs. Octets in, what
 * they say out; no I/O. Only PLAIN is used, which needs one line each way.
 */

export type AuthReply =
  /** The handshake is done; questions may be asked. */
  | { readonly kind: "ready" }
  | { readonly kind: "ok"; readonly id: number; readonly user: string }
  /** `temporary`: nothing is said about the password. */
  | { readonly kind: "fail"; readonly id: number; readonly temporary: boolean; readonly reason: string }
  /** The peer does not speak this protocol, or not this version; it is to be left. */
  | { readonly kind: "broken"; readonly reason: string };

export interface AuthQuestion {
  readonly id: number;
  readonly username: string;
  readonly password: string;
  /** "" : not known. */
  readonly clientAddress: string;
}

/** Dovecot's own limit for a line is 8,192 octets. */
const lineBytesMax = 16_384;
/** A handshake has one line for each mechanism, and a few more. */
const handshakeLinesMax = 100;
const decoder = new TextDecoder();

export class DovecotAuthProtocol {
  #partial = new Uint8Array(0);
  #phase: "handshake" | "ready" | "broken" = "handshake";
  #lines = 0;
  #version = false;
  readonly #mechanisms = new Set<string>();

  /** What the client says first. `processId`: any number. */
  static greeting(processId: number): string {
    return `VERSION\t1\t1\nCPID\t${processId}\n`;
  }

  /** In the order in which they came; nothing after `broken`. */
  receive(bytes: Uint8Array): readonly AuthReply[] {
    const replies: AuthReply[] = [];
    let rest = Buffer.concat([this.#partial, bytes]);
    while (this.#phase !== "broken") {
      const end = rest.indexOf(10);
      if (end < 0) break;
      const reply = this.#line(decoder.decode(rest.subarray(0, end)));
      if (reply !== undefined) replies.push(reply);
      rest = rest.subarray(end + 1);
    }
    if (this.#phase !== "broken" && rest.length > lineBytesMax) replies.push(this.#broken("its line is too long"));
    this.#partial = this.#phase === "broken" ? new Uint8Array(0) : new Uint8Array(rest);
    return replies;
  }

  #line(line: string): AuthReply | undefined {
    const [command = "", ...fields] = line.split("\t");
    return this.#phase === "handshake" ? this.#handshake(command, fields) : this.#answer(command, fields);
  }

  #handshake(command: string, fields: readonly string[]): AuthReply | undefined {
    if (++this.#lines > handshakeLinesMax) return this.#broken("its handshake does not end");
    const [first = "", ...properties] = fields;
    switch (command) {
      case "VERSION":
        if (first !== "1") return this.#broken(`it speaks version ${unescaped(first).slice(0, 20)} of the protocol`);
        this.#version = true;
        return undefined;
      case "MECH":
        if (!properties.includes("private")) this.#mechanisms.add(first);
        return undefined;
      case "SPID":
        if (this.#mechanisms.size > 0) return undefined;
        return this.#broken("it names no mechanism, so it is the master socket; use the client socket, auth-client");
      case "DONE":
        if (!this.#version) return this.#broken("it names no version");
        if (!this.#mechanisms.has("PLAIN")) return this.#broken("it does not offer PLAIN; see auth_mechanisms");
        this.#phase = "ready";
        return { kind: "ready" };
      default:
        // CUID, COOKIE, and what later versions say.
        return undefined;
    }
  }

  #answer(command: string, [number = "", ...fields]: readonly string[]): AuthReply | undefined {
    if (command !== "OK" && command !== "FAIL" && command !== "CONT") return undefined;
    const id = /^\d{1,10}$/.test(number) ? Number(number) : undefined;
    if (id === undefined) return this.#broken("its reply has no number");
    const valueOf = (name: string) => {
      const found = fields.find((field) => field.startsWith(`${name}=`));
      return found === undefined ? undefined : unescaped(found.slice(name.length + 1));
    };
    if (command === "CONT")
      return { kind: "fail", id, temporary: true, reason: "Dovecot asks for more than PLAIN has" };
    if (command === "OK") {
      const user = valueOf("user");
      if (user !== undefined && user !== "") return { kind: "ok", id, user };
      return { kind: "fail", id, temporary: true, reason: "Dovecot does not say whose password it is" };
    }
    const reason = valueOf("reason") ?? valueOf("code") ?? "";
    return { kind: "fail", id, temporary: fields.includes("temp"), reason };
  }

  #broken(reason: string): AuthReply {
    this.#phase = "broken";
    return { kind: "broken", reason };
  }
}

/** One line. The client's connection is private: passwords are taken nowhere else. */
export function formatAuthQuestion({ id, username, password, clientAddress }: AuthQuestion): string {
  const remote = clientAddress === "" ? "" : `\trip=${escaped(clientAddress)}`;
  const response = Buffer.from(`\0${username}\0${password}`, "utf8").toString("base64");
  return `AUTH\t${id}\tPLAIN\tservice=smtp${remote}\tsecured\tnologin\tresp=${response}\n`;
}

/** What would separate fields or lines is written in two characters. */
function escaped(text: string): string {
  return text.replaceAll(
    /[\0\u0001\t\r\n]/g,
    (found) => `\u0001${{ "\0": "0", "\u0001": "1", "\t": "t", "\r": "r" }[found] ?? "n"}`,
  );
}

function unescaped(text: string): string {
  const meanings: Readonly<Record<string, string>> = { "0": "\0", "1": "\u0001", t: "\t", r: "\r", n: "\n" };
  return text.replaceAll(/\u0001(.)/g, (whole, letter: string) => meanings[letter] ?? whole);
}
