/**
 * One question to one server, by UDP or TCP. Each UDP query has a socket, and so a source port, of its own and hears that
 * server only: with the random id, a forger off the path has some 30 bits to guess.
 */
import { createSocket } from "node:dgram";
import { connect } from "node:net";

import type { Clock } from "../../ports/clock.ts";
import type { Reading } from "./dns-message.ts";

export interface DnsServer {
  readonly address: string;
  readonly port: number;
}

export type Exchange = Exclude<Reading, { kind: "foreign" }>;

export interface ExchangeOptions {
  readonly server: DnsServer;
  readonly query: Buffer;
  readonly read: (bytes: Buffer) => Reading;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** More answers than this that are not ours mean that somebody is guessing: TCP cannot be guessed. */
const FOREIGN_MAX = 16;

export function exchangeUdp({ server, query, read, timeoutMs, clock }: ExchangeOptions): Promise<Exchange> {
  return new Promise((resolve) => {
    const socket = createSocket(server.address.includes(":") ? "udp6" : "udp4");
    let foreign = 0;
    let done = false;
    const finish = (exchange: Exchange) => {
      if (done) return;
      done = true;
      timer.cancel();
      socket.close();
      resolve(exchange);
    };
    const timer = clock.setTimer(timeoutMs, () => finish(broken("no answer in time")));
    socket.on("error", (error) => finish(broken(error.message)));
    socket.on("message", (bytes) => {
      const reading = read(bytes);
      if (reading.kind !== "foreign") finish(reading);
      else if (++foreign > FOREIGN_MAX) finish({ kind: "truncated" });
    });
    socket.connect(server.port, server.address, () => {
      if (done) return;
      socket.send(query, (error) => {
        if (error) finish(broken(error.message));
      });
    });
  });
}

/** RFC 7766: two octets of length, then the message. */
export function exchangeTcp({ server, query, read, timeoutMs, clock }: ExchangeOptions): Promise<Exchange> {
  return new Promise((resolve) => {
    const socket = connect({ host: server.address, port: server.port, autoSelectFamily: false });
    let received = Buffer.alloc(0);
    const finish = (exchange: Exchange) => {
      timer.cancel();
      socket.destroy();
      resolve(exchange);
    };
    const timer = clock.setTimer(timeoutMs, () => finish(broken("no answer in time (TCP)")));
    socket.on("error", (error) => finish(broken(error.message)));
    socket.on("close", () => finish(broken("the server closed the connection without an answer")));
    socket.on("data", (bytes: Buffer) => {
      // At most the 65,537 octets of one message, and what one read brings beyond them.
      received = Buffer.concat([received, bytes]);
      const length = received.length < 2 ? undefined : received.readUInt16BE(0);
      if (length === undefined || received.length < 2 + length) return;
      const reading = read(received.subarray(2, 2 + length));
      // By TCP there is one answer, and it is whole.
      finish(reading.kind === "reply" || reading.kind === "broken" ? reading : broken(`${reading.kind} answer by TCP`));
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.write(Buffer.concat([length, query]));
  });
}

function broken(reason: string): Exchange {
  return { kind: "broken", reason };
}
