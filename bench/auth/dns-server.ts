/** A DNS server of a table, on UDP: what it does not have does not exist. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import packet, { type Answer, type RecordType } from "dns-packet";

/** `TXT example.org` → texts, addresses or names of that type. */
export type Records = ReadonlyMap<string, readonly string[]>;

const ttlSeconds = 300;

export class TableDnsServer implements AsyncDisposable {
  /** Questions answered. */
  asked = 0;
  readonly #socket: Socket;
  readonly #records: Records;

  private constructor(socket: Socket, records: Records) {
    this.#socket = socket;
    this.#records = records;
    socket.on("message", (bytes, from) => {
      this.asked++;
      socket.send(this.#answer(bytes), from.port, from.address);
    });
  }

  static async start(records: Records): Promise<TableDnsServer> {
    const socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
    return new TableDnsServer(socket, records);
  }

  /** As `dns.servers` has it. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  #answer(bytes: Buffer): Buffer {
    const { id, questions = [] } = packet.decode(bytes);
    const [question] = questions;
    const data =
      question === undefined ? undefined : this.#records.get(`${question.type} ${question.name.toLowerCase()}`);
    const answers = (data ?? []).map((value) => answer(question?.name ?? "", question?.type ?? "TXT", value));
    const flags = packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE | (data === undefined ? nameError : 0);
    return packet.encode({ type: "response", ...(id === undefined ? {} : { id }), flags, questions, answers });
  }
}

/** NXDOMAIN (RFC 1035 §4.1.1). */
const nameError = 3;

function answer(name: string, type: RecordType, value: string): Answer {
  // Strings of a TXT record have 255 octets at most; the other types here are one name or address.
  if (type === "TXT") return { name, type, ttl: ttlSeconds, data: value.match(/.{1,255}/gs) ?? [""] };
  return { name, type, ttl: ttlSeconds, data: value } as Answer;
}
