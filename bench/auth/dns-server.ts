/** A DNS server of a table, on UDP: what it does not have does not exist. Interop tests use it, too. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import packet, { type Answer, type RecordType } from "dns-packet";

/** `TXT example.org` → texts, addresses or names of that type; of MX, `10 mail.example.org`. */
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

  /** By default on any port of 127.0.0.1. Records may be put into the table, or out of it, later. */
  static async start(
    records: Records,
    { address = "127.0.0.1", port = 0 }: { readonly address?: string; readonly port?: number } = {},
  ): Promise<TableDnsServer> {
    const socket = createSocket("udp4").bind(port, address);
    await once(socket, "listening");
    return new TableDnsServer(socket, records);
  }

  /** As `dns.servers` has it. */
  get address(): string {
    const { address, port } = this.#socket.address();
    return `${address}:${port}`;
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
    const missing = data === undefined && !this.#exists(question?.name.toLowerCase() ?? "");
    const flags = packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE | (missing ? nameError : 0);
    return packet.encode({ type: "response", ...(id !== undefined && { id }), flags, questions, answers });
  }

  /** Whether there are records of another type at the name, or any below it (RFC 8020). */
  #exists(name: string): boolean {
    return this.#records.keys().some((key) => key.endsWith(` ${name}`) || key.endsWith(`.${name}`));
  }
}

/** NXDOMAIN (RFC 1035 §4.1.1). */
const nameError = 3;

function answer(name: string, type: RecordType, value: string): Answer {
  // Strings of a TXT record have 255 octets at most; the other types here are one name or address.
  if (type === "TXT") return { name, type, ttl: ttlSeconds, data: value.match(/.{1,255}/gs) ?? [""] };
  const [preference, exchange = ""] = value.split(" ");
  if (type === "MX") return { name, type, ttl: ttlSeconds, data: { preference: Number(preference), exchange } };
  return { name, type, ttl: ttlSeconds, data: value } as Answer;
}
