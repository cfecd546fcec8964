/**
 * DNS in simulated time, on the wire: servers that answer from a table of records which may change while the simulation
 * runs, and everything that goes wrong between them and a resolver. All chance is from a seed. The resolver that asks them
 * is the real one: this is only its transport.
 */
import packet, { type DecodedPacket, type Packet } from "dns-packet";

import type { DnsChannel, DnsListener, DnsServer, DnsTransport } from "../node/dns/dns-exchange.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { RecordType } from "../ports/resolver.ts";
import { RecursiveServer, referral, type Content, type Zones } from "./recursive-server.ts";
import { StaticResolver } from "./static-resolver.ts";

/** What is wrong with a server, or the way to it. Chances are of one query each. */
export interface DnsTrouble {
  /** That it is lost on the way there, and again on the way back. */
  loss: number;
  /** That the answer takes longer than who asked will wait at first. */
  late: number;
  /** That what is not the answer comes before it: another id, another question, no answer at all. */
  forged: number;
  /** That it does not fit, however small it is. */
  truncated: number;
  /** `silent`: nothing there says anything; `closed`: the machine says that no server runs. */
  port: "open" | "silent" | "closed";
  says: "the answer" | "SERVFAIL" | "REFUSED" | "a referral";
  tcp: "answers" | "refuses" | "stalls" | "closes" | "breaks off";
}

const noTrouble: Readonly<DnsTrouble> = {
  loss: 0,
  late: 0,
  forged: 0,
  truncated: 0,
  port: "open",
  says: "the answer",
  tcp: "answers",
};

export interface SimulatedDnsServerOptions {
  readonly address: string;
  /** Default true; otherwise it leaves it to the resolver to ask again for where an alias leads. */
  readonly followsAliases?: boolean;
  /** So old that it does not know EDNS. */
  readonly stumblesOverEdns?: boolean;
}

export class SimulatedDnsServer implements DnsServer {
  readonly address: string;
  readonly port = 53;
  readonly trouble: DnsTrouble = { ...noTrouble };
  readonly stumblesOverEdns: boolean;
  /** Queries that reached it. */
  readonly heard = { udp: 0, tcp: 0 };
  readonly recursion: RecursiveServer;

  constructor(zones: Zones, { address, followsAliases = true, stumblesOverEdns = false }: SimulatedDnsServerOptions) {
    this.address = address;
    this.stumblesOverEdns = stumblesOverEdns;
    this.recursion = new RecursiveServer(zones, { followsAliases });
  }

  heal(): void {
    Object.assign(this.trouble, noTrouble);
  }
}

/** Forged answers tell it of every name. */
export const forgedAddress = "203.0.113.66";
/** Of what is lost now and then, the same question again is not, for so long. */
const sparedMs = 30_000;
const ttlSeconds = 300;

export interface SimulatedDnsOptions {
  readonly random: Random;
  readonly servers: readonly SimulatedDnsServerOptions[];
  /** Chance that a packet is lost at any time; the same question again gets through. */
  readonly sparseLoss?: number;
}

export class SimulatedDns {
  readonly records = new StaticResolver();
  readonly servers: readonly SimulatedDnsServer[];
  readonly #random: Random;
  readonly #sparseLoss: number;
  readonly #failing = new Set<string>();
  /** Zones without signatures, whose answers are not authenticated. */
  readonly #unsigned = new Set<string>();
  readonly #ttls = new Map<string, number>();
  /** When the question was lost last, by server and question. */
  readonly #lostAt = new Map<string, number>();

  constructor(options: SimulatedDnsOptions) {
    this.#random = options.random;
    this.#sparseLoss = options.sparseLoss ?? 0;
    const zones: Zones = {
      recordsOf: (name) => this.records.recordsOf(name),
      ttlSecondsOf: (name) => this.#ttls.get(name) ?? ttlSeconds,
      isFailing: (name) => isWithin(name, this.#failing),
    };
    this.servers = options.servers.map((server) => new SimulatedDnsServer(zones, server));
  }

  /** Of all records of a name, in seconds; what servers know already keeps what it has. */
  setTtl(name: string, seconds: number): void {
    this.#ttls.set(name, seconds);
  }

  /** Every server says SERVFAIL for the zone and all below it, but for what it still knows. */
  failZone(zone: string): void {
    this.#failing.add(zone);
  }

  healZone(zone: string): void {
    this.#failing.delete(zone);
  }

  /** What servers say of the zone and all below it comes without the AD bit: it is not signed, and may be anyone's word. */
  leaveUnsigned(zone: string): void {
    this.#unsigned.add(zone);
  }

  /** Servers and zones are in order; what servers know stays known, and records stay what they are. */
  heal(): void {
    for (const server of this.servers) server.heal();
    this.#failing.clear();
  }

  /** For a resolver whose timers are those of `clock`. */
  transport(clock: Clock): DnsTransport {
    return {
      udp: (server, bytes, heard) => this.#open(clock, heard, (line) => this.#udp(line, server, bytes)),
      tcp: (server, bytes, heard) => this.#open(clock, heard, (line) => this.#tcp(line, server, bytes.subarray(2))),
    };
  }

  #open(clock: Clock, heard: DnsListener, ask: (line: Line) => void): DnsChannel {
    const line = new Line(clock, heard);
    ask(line);
    return line;
  }

  #udp(line: Line, { address }: DnsServer, bytes: Buffer): void {
    const server = this.#serverAt(address);
    const { trouble } = server;
    const travelMs = this.#travelMs();
    if (trouble.port === "silent" || this.#is(trouble.loss)) return;
    if (trouble.port === "closed") return line.closes(travelMs, `recvmsg ECONNREFUSED ${address}`);
    server.heard.udp++;
    const query = packet.decode(bytes);
    const { response, delayMs } = this.#answer(server, query, line.nowMs);
    // The server knows it now, whether the answer arrives or not.
    if (this.#is(trouble.loss) || this.#isLostForOnce(`${address} ${nameOf(query)}`, line.nowMs)) return;
    const whole = packet.encode(response);
    const isCut = whole.length > payloadMax(query) || this.#is(trouble.truncated);
    const arrivesMs = travelMs + delayMs;
    if (this.#is(trouble.forged)) {
      // Now and then so many that the resolver must think of an attack.
      const count = this.#is(0.2) ? 20 : 1 + Math.floor(this.#random.next() * 4);
      for (let guess = 1; guess <= count; guess++) line.brings(arrivesMs * (guess / (count + 1)), this.#forged(query));
    }
    line.brings(arrivesMs, isCut ? packet.encode(cut(response)) : whole);
    // Networks copy packets, too.
    if (this.#is(0.02)) line.brings(arrivesMs + 5, whole);
  }

  #tcp(line: Line, { address }: DnsServer, bytes: Buffer): void {
    const server = this.#serverAt(address);
    const { trouble } = server;
    // Connecting takes a way there and back.
    const travelMs = 2 * this.#travelMs();
    if (trouble.port === "silent" || trouble.loss === 1) return;
    if (trouble.port === "closed" || trouble.tcp === "refuses")
      return line.closes(travelMs, `connect ECONNREFUSED ${address}`);
    server.heard.tcp++;
    if (trouble.tcp === "stalls") return;
    if (trouble.tcp === "closes") return line.closes(travelMs, "the server closed the connection without an answer");
    // What TCP loses is sent again after a while.
    const againMs = this.#is(trouble.loss) ? 1000 : 0;
    const { response, delayMs } = this.#answer(server, packet.decode(bytes), line.nowMs);
    const whole = packet.streamEncode(response);
    const arrivesMs = travelMs + againMs + delayMs;
    const at = 1 + Math.floor(this.#random.next() * (whole.length - 1));
    line.brings(arrivesMs, whole.subarray(0, at));
    if (trouble.tcp === "breaks off") return line.closes(arrivesMs + 1, `read ECONNRESET`);
    line.brings(arrivesMs + 1 + this.#travelMs(), whole.subarray(at));
  }

  #answer(server: SimulatedDnsServer, query: DecodedPacket, nowMs: number) {
    const { trouble, recursion } = server;
    const workMs = this.#is(trouble.late) ? 2_100 + this.#random.next() * 7_000 : 0;
    const usesEdns = (query.additionals?.length ?? 0) > 0;
    if (server.stumblesOverEdns && usesEdns) {
      return { response: responseTo({ ...query, questions: [] }, failure(formatError)), delayMs: workMs };
    }
    switch (trouble.says) {
      case "SERVFAIL":
        return { response: responseTo(query, failure(serverFailure)), delayMs: workMs };
      case "REFUSED":
        return { response: responseTo(query, failure(refused)), delayMs: workMs };
      case "a referral":
        return { response: responseTo(query, referral(), 0), delayMs: workMs };
      case "the answer": {
        const [question] = query.questions ?? [];
        // The resolver asks for nothing else.
        const type = question?.type as RecordType;
        const content = recursion.answer(question?.name ?? "", type, nowMs);
        const foundMs = content.isNew ? 20 + this.#random.next() ** 3 * 900 : 0;
        const answers = this.#turned(content.answers);
        const names = [nameOf(query), ...answers.map(({ name }) => name)];
        const isSigned = !names.some((name) => isWithin(name.toLowerCase(), this.#unsigned));
        const response = responseTo(query, { ...content, answers }, packet.RECURSION_AVAILABLE, isSigned);
        return { response, delayMs: workMs + foundMs };
      }
      default:
        return trouble.says satisfies never;
    }
  }

  /** Servers give equal records in turn. */
  #turned<T>(answers: readonly T[]): readonly T[] {
    const first = answers.length < 2 ? 0 : Math.floor(this.#random.next() * answers.length);
    return [...answers.slice(first), ...answers.slice(0, first)];
  }

  #forged(query: DecodedPacket): Buffer {
    const name = nameOf(query);
    const address = packet.encode(
      responseTo(
        { ...query, id: ((query.id ?? 0) + 1 + Math.floor(this.#random.next() * 65_000)) & 0xffff },
        { responseCode: 0, answers: [{ type: "A", name, ttl: 3600, data: forgedAddress }], authorities: [] },
      ),
    );
    if (this.#is(0.3)) return packet.encode({ ...query, type: "query" });
    if (!this.#is(0.3)) return address;
    const another = [{ type: "A", name: `not-${name}` }] as const;
    return packet.encode(responseTo({ ...query, questions: [...another] }, failure(noSuchName)));
  }

  #serverAt(address: string): SimulatedDnsServer {
    const server = this.servers.find((one) => one.address === address);
    if (server === undefined) throw new Error(`no DNS server at ${address}`);
    return server;
  }

  #isLostForOnce(question: string, nowMs: number): boolean {
    if (!this.#is(this.#sparseLoss)) return false;
    if (nowMs - (this.#lostAt.get(question) ?? Number.NEGATIVE_INFINITY) < sparedMs) return false;
    this.#lostAt.set(question, nowMs);
    return true;
  }

  #travelMs(): number {
    return 1 + this.#random.next() * 30;
  }

  #is(chance: number): boolean {
    return this.#random.next() < chance;
  }
}

/** From a query to whoever asked: nothing reaches a channel that is closed. */
class Line implements DnsChannel {
  readonly #clock: Clock;
  readonly #heard: DnsListener;
  readonly #timers: Timer[] = [];

  constructor(clock: Clock, heard: DnsListener) {
    this.#clock = clock;
    this.#heard = heard;
  }

  get nowMs(): number {
    return this.#clock.monotonicMs();
  }

  brings(delayMs: number, bytes: Buffer): void {
    this.#timers.push(this.#clock.setTimer(delayMs, () => this.#heard.data(bytes)));
  }

  closes(delayMs: number, reason: string): void {
    this.#timers.push(this.#clock.setTimer(delayMs, () => this.#heard.closed(reason)));
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel();
  }
}

const formatError = 1;
const serverFailure = 2;
const noSuchName = 3;
const refused = 5;
/** RFC 1035 §4.2.1. */
const payloadBytes = 512;

type Told = Pick<Content, "responseCode" | "answers" | "authorities">;

function failure(responseCode: number): Told {
  return { responseCode, answers: [], authorities: [] };
}

function isWithin(name: string, zones: ReadonlySet<string>): boolean {
  return [...zones].some((zone) => name === zone || name.endsWith(`.${zone}`));
}

function responseTo(
  query: DecodedPacket,
  told: Told,
  flags: number = packet.RECURSION_AVAILABLE,
  isSigned = true,
): Packet {
  const isSure = isSigned && (told.responseCode === 0 || told.responseCode === noSuchName);
  return {
    type: "response",
    id: query.id ?? 0,
    flags: flags | (isSure && flags !== 0 ? packet.AUTHENTIC_DATA : 0) | told.responseCode,
    questions: query.questions ?? [],
    answers: [...told.answers],
    authorities: [...told.authorities],
  };
}

function cut(response: Packet): Packet {
  return { ...response, flags: (response.flags ?? 0) | packet.TRUNCATED_RESPONSE, answers: [], authorities: [] };
}

function payloadMax(query: DecodedPacket): number {
  const opt = query.additionals?.find((record) => record.type === "OPT");
  return opt?.type === "OPT" ? opt.udpPayloadSize : payloadBytes;
}

function nameOf(query: DecodedPacket): string {
  const [question] = query.questions ?? [];
  return `${question?.name ?? ""}`;
}
