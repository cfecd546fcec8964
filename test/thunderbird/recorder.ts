/**
 * Writes down sessions above TLS, as dialogues that the tests of `test/dialects` play again. Passwords are replaced by that
 * of the replay; of a reply stays what a mail program goes by.
 */
import type { Connection, ConnectionHandler, Network } from "../../src/ports/network.ts";

interface Entry {
  readonly side: "C" | "S" | "TLS";
  text: string;
}

/** One session. */
export class Recording {
  readonly entries: Entry[] = [];

  add(side: Entry["side"], bytes: Uint8Array = new Uint8Array()): void {
    const text = Buffer.from(bytes).toString("utf8");
    const last = this.entries.at(-1);
    if (last?.side === side) last.text += text;
    else this.entries.push({ side, text });
  }

  get client(): string {
    return this.entries.map(({ side, text }) => (side === "C" ? text : "")).join("");
  }
}

/** The network, where every session that comes in is written down in `recordings`. */
export function recorded(network: Network, recordings: Recording[]): Network {
  return {
    connect: (...given) => network.connect(...given),
    listen: (endpoint, options) =>
      network.listen(endpoint, {
        ...options,
        accept: (connection) => {
          const recording = new Recording();
          recordings.push(recording);
          options.accept(recordedConnection(connection, recording));
        },
      }),
  };
}

function recordedConnection(connection: Connection, recording: Recording): Connection {
  const own = {
    write: (bytes: Uint8Array) => {
      recording.add("S", bytes);
      return connection.write(bytes);
    },
    start: (handler: ConnectionHandler) =>
      connection.start({
        data: (bytes) => {
          recording.add("C", bytes);
          handler.data(bytes);
        },
        end: () => handler.end(),
        drained: () => handler.drained(),
        closed: (error) => handler.closed(error),
      }),
    startTls: async (options: Parameters<Connection["startTls"]>[0]) => {
      const facts = await connection.startTls(options);
      if (recording.entries.length > 0) recording.add("TLS");
      return facts;
    },
  };
  return new Proxy(connection, {
    get: (target, property) => {
      if (property in own) return own[property as keyof typeof own];
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** `facts` are the lines above the dialogue. */
export function dialogueOf(recording: Recording, password: string, facts: readonly string[]): string {
  const lines = recording.entries.flatMap(({ side, text }) => {
    if (side === "TLS") return ["TLS"];
    const said = text.replace(/\r\n$/, "").split("\r\n");
    return said.map((line) => (side === "C" ? `C: ${clientLine(line, password)}`.trimEnd() : `S: ${serverLine(line)}`));
  });
  // One line stands for all keywords of EHLO: which they are differs from server to server.
  const short = lines.filter((line, index) => line !== "S: 250-*" || lines[index - 1] !== line);
  return `${[...facts, ...short, "CLOSE: server"].join("\n")}\n`;
}

function clientLine(line: string, password: string): string {
  const [, before = "", base64 = ""] = /^(AUTH [A-Z0-9-]+ |)([A-Za-z0-9+/]{4,}={0,2})$/.exec(line) ?? [];
  const plain = Buffer.from(base64, "base64").toString("latin1");
  if (base64 !== "" && plain.includes(password)) {
    return `${before}{base64:${plain.replaceAll("\0", "\\x00").replace(password, "secret")}}`;
  }
  return line.replaceAll("\\", "\\\\");
}

function serverLine(line: string): string {
  if (/^220 \S+ ESMTP/.test(line)) return `${line.split(" ", 2).join(" ")} *`;
  if (line.startsWith("334")) return line === "334 " || line === "334" ? "334*" : line;
  const [, code = "", status = ""] = /^(\d{3}[ -])(\d\.\d+\.\d+ )?/.exec(line) ?? [];
  return `${code}${status}${/queued as/.test(line) ? "*queued*" : "*"}`;
}
