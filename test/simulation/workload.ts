/**
 * Mail and operators for a simulation: letters of every kind at random times, each with a marker that its copies and
 * reports bear, and a book of what was handed over and what we were told.
 */
import { crc32 } from "node:zlib";
import { handOver, type HandOver, type Letter } from "./mail-client.ts";
import type { Chance } from "./chance.ts";
import { insideAddress, type Machine, serverAddress } from "./machine.ts";
import type { Receiver } from "./receivers.ts";

export interface Sent {
  readonly marker: string;
  readonly letter: Letter;
  readonly at: number;
  outcome: HandOver | undefined;
}

const server = { kind: "ip", address: serverAddress, port: 25 } as const;
const strangerAddress = "198.51.100.7";

export class Workload {
  readonly sent: Sent[] = [];
  /** Times at which an operator had recipients tried again, released or removed. */
  readonly retries: number[] = [];
  readonly #machine: Machine;
  readonly #receivers: readonly Receiver[];
  readonly #chance: Chance;
  readonly #bytesMax: number;

  constructor(machine: Machine, receivers: readonly Receiver[], chance: Chance, bytesMax: number) {
    this.#machine = machine;
    this.#receivers = receivers;
    this.#chance = chance;
    this.#bytesMax = bytesMax;
  }

  /** So many letters, and some acts of an operator, at times within `withinMs`. */
  schedule(letters: number, withinMs: number): void {
    const chance = this.#chance;
    for (let count = 0; count < letters; count++) {
      const sent = this.#letter(count + 1);
      // Some come in a burst.
      const atMs = chance.is(0.2) ? Math.floor(chance.below(5) * (withinMs / 5)) : Math.floor(chance.next() * withinMs);
      this.#machine.clock.setTimer(atMs, () => void this.#send(sent));
    }
    for (let count = chance.below(6); count > 0; count--) {
      const verb = chance.pick(["retry", "hold", "release", "remove"] as const);
      const domain = chance.pick(this.#receivers).domain;
      this.#machine.clock.setTimer(Math.floor(chance.next() * withinMs), () => void this.operate(verb, { domain }));
    }
  }

  async operate(verb: "retry" | "hold" | "release" | "remove", filter: { readonly domain?: string }): Promise<void> {
    if (verb !== "hold") this.retries.push(this.#machine.clock.monotonicMs());
    await this.#machine.api(`/api/v1/queue/${verb}`, { ...filter, all: true }).catch(() => undefined);
  }

  async #send(sent: Sent): Promise<void> {
    this.sent.push(sent);
    sent.outcome = await handOver(this.#machine.network, this.#machine.clock, server, sent.letter);
  }

  #letter(number: number): Sent {
    const chance = this.#chance;
    const marker = `M${number}`;
    const inside = chance.is(0.7);
    const from = inside
      ? chance.pick(["ann@example.org", "bob@example.org", "", `lists@${chance.pick(this.#receivers).domain}`])
      : chance.pick([`sender@${chance.pick(this.#receivers).domain}`, `nobody@unknown.test`, ""]);
    const count = chance.is(0.7) ? 1 : 1 + chance.below(12);
    const to = new Set(Array.from({ length: count }, () => (inside ? this.#anywhere() : this.#ofOurs())));
    const content = this.#content(marker, from);
    const ret = chance.is(0.1) ? " RET=HDRS" : "";
    const letter = {
      from,
      to: [...to].map((address) => `<${address}>${this.#parameters()}`),
      mailParameters: `${ret}${chance.is(0.1) ? " ENVID=e1" : ""} BODY=8BITMIME`,
      content,
      client: inside ? insideAddress : strangerAddress,
    };
    return { marker, letter, at: this.#machine.clock.now(), outcome: undefined };
  }

  #anywhere(): string {
    const chance = this.#chance;
    if (chance.is(0.2)) return this.#ofOurs();
    const name = chance.is(0.1) ? `no-${chance.below(5)}` : `user${chance.below(40)}`;
    return `${name}@${chance.pick(this.#receivers).domain}`;
  }

  #ofOurs(): string {
    return this.#chance.pick(["ann@example.org", "bob@example.org", "info@example.org", "away@example.org"]);
  }

  #parameters(): string {
    const chance = this.#chance;
    if (!chance.is(0.25)) return "";
    return ` NOTIFY=${chance.pick(["NEVER", "SUCCESS", "FAILURE", "SUCCESS,FAILURE", "DELAY,FAILURE", "SUCCESS,FAILURE,DELAY"])}`;
  }

  #content(marker: string, from: string): Buffer {
    const chance = this.#chance;
    const length = Math.min(this.#bytesMax, chance.is(0.03) ? 300_000 : Math.floor(chance.next() ** 3 * 20_000));
    const line = `${chance.is(0.3) ? "." : ""}${"haste post haste ".repeat(4)}é\r\n`;
    const body = line.repeat(1 + Math.floor(length / line.length));
    const header =
      `From: <${from === "" ? "daemon@unknown.test" : from}>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n` +
      `Message-ID: <${marker}@simulation.test>\r\nSubject: ${marker}\r\nX-Simulation: ${marker} ${crc32(body)}\r\n\r\n`;
    const stuffed = body.replaceAll(/(^|\r\n)\./g, "$1..");
    return Buffer.from(`${header}${stuffed}.\r\n`);
  }
}
