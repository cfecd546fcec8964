/**
 * One question to one server, by UDP or TCP, over whatever carries octets to it: how long is waited, which answers count,
 * and what a broken one is. Sockets are in dns-transport; a simulation brings its own.
 */
import { GrowingBytes } from "../../lib/growing-bytes.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Reading } from "./dns-message.ts";

export interface DnsServer {
  readonly address: string;
  readonly port: number;
}

/** Told what comes of a query; never in the turn in which it was sent, and nothing after {@link DnsChannel.close}. */
export interface DnsListener {
  /** By UDP one datagram, by TCP the next piece of the stream. */
  readonly data: (bytes: Buffer) => void;
  /** Nothing more will come. */
  readonly closed: (reason: string) => void;
}

export interface DnsChannel {
  close(): void;
}

/** Sends the octets to the server and hears what it, and nobody else, sends back. */
type Carry = (server: DnsServer, bytes: Buffer, heard: DnsListener) => DnsChannel;

export interface DnsTransport {
  /** As one datagram, from a source port of its own. */
  readonly udp: Carry;
  /** Over a connection of its own. */
  readonly tcp: Carry;
}

export type Exchange = Exclude<Reading, { kind: "foreign" }>;

export interface ExchangeOptions {
  readonly transport: DnsTransport;
  readonly server: DnsServer;
  readonly query: Buffer;
  readonly read: (bytes: Buffer) => Reading;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** More answers than this that are not ours mean that someone is guessing: TCP cannot be guessed. */
const foreignMax = 16;

export function exchangeUdp(options: ExchangeOptions): Promise<Exchange> {
  const { transport, server, query, read } = options;
  let foreign = 0;
  return untilHeard(options, "no answer in time", (finish) =>
    transport.udp(server, query, {
      data: (bytes) => {
        const reading = read(bytes);
        if (reading.kind !== "foreign") finish(reading);
        else if (++foreign > foreignMax) finish({ kind: "truncated" });
      },
      closed: (reason) => finish(broken(reason)),
    }),
  );
}

/** RFC 7766 §8: two octets of length, then the message. */
export function exchangeTcp(options: ExchangeOptions): Promise<Exchange> {
  const { transport, server, query, read } = options;
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  const received = new GrowingBytes();
  return untilHeard(options, "no answer in time (TCP)", (finish) =>
    transport.tcp(server, Buffer.concat([length, query]), {
      data: (bytes) => {
        // At most the 65,537 octets of one message, and what one read brings beyond them.
        received.append(bytes);
        const announced = received.length < 2 ? undefined : received.view.readUInt16BE(0);
        if (announced === undefined || received.length < 2 + announced) return;
        const reading = read(received.view.subarray(2, 2 + announced));
        // By TCP there is one answer, and it is whole.
        const isWhole = reading.kind === "reply" || reading.kind === "broken";
        finish(isWhole ? reading : broken(`${reading.kind} answer by TCP`));
      },
      closed: (reason) => finish(broken(reason)),
    }),
  );
}

function untilHeard(
  { timeoutMs, clock }: ExchangeOptions,
  late: string,
  open: (finish: (exchange: Exchange) => void) => DnsChannel,
): Promise<Exchange> {
  return new Promise((resolve) => {
    let over = false;
    const finish = (exchange: Exchange) => {
      if (over) return;
      over = true;
      timer.cancel();
      channel.close();
      resolve(exchange);
    };
    const channel = open(finish);
    const timer: Timer = clock.setTimer(timeoutMs, () => finish(broken(late)));
  });
}

function broken(reason: string): Exchange {
  return { kind: "broken", reason };
}
