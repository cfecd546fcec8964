/**
 * A stub resolver with a cache: asks the servers in turn until one answers, first by UDP, by TCP what does not fit. It
 * keeps the AD bit, which node's own resolver hides, follows CNAMEs, asks equal questions once, lets nobody's questions
 * wait for all of someone else's (`dns-turns.ts`), and always answers in bounded time. Validation is the servers' work; the
 * bit is believed only of one that nobody can speak for.
 */
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Random } from "../../ports/random.ts";
import type { DnsAnswer, DnsAsker, QueryOptions, RecordType, RecordTypes, Resolver } from "../../ports/resolver.ts";
import { DnsCache } from "./dns-cache.ts";
import { exchangeTcp, exchangeUdp, type DnsServer, type DnsTransport, type Exchange } from "./dns-exchange.ts";
import {
  encodeQuery,
  followChain,
  isQueryable,
  readReply,
  ResponseCode,
  type Question,
  type Reply,
} from "./dns-message.ts";
import { isOnThisMachine } from "./dns-servers.ts";
import { DnsTurns, type Turn } from "./dns-turns.ts";
import { logTrouble } from "../../spool/spool-trouble.ts";

/** First round and second round: a lost packet costs two seconds, a slow server gets its chance. */
const roundTimeoutsMs = [2000, 5000];
/** For everything a query needs, waiting for its turn and CNAMEs included. */
const totalTimeoutMs = 15_000;
/** A server that answered after others did not is asked first for this long. */
const preferredMs = 60_000;
/** More links than any name in use has; BIND stops at 16, for one name. */
const cnameLinksMax = 8;
const positiveTtlSecondsMax = 86_400;
/** Long enough to spare a busy site's servers, short enough that a new MX is found the same quarter of an hour. */
const negativeTtlSecondsMax = 900;
/** RFC 9520 §3.2: failures are kept for 1 to 300 seconds. */
const failureTtlSeconds = 5;
/** About ten thousand domains with their MX hosts. */
const cacheBytesMax = 32 * 1024 * 1024;

export interface DnsResolverOptions {
  /** In the order in which they are asked; at least one. */
  readonly servers: readonly DnsServer[];
  /** How they are reached; dns-transport has the real sockets. */
  readonly transport: DnsTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Believe the AD bit of servers that are not on this machine: only over a path that nobody else can reach. */
  readonly trustAd?: boolean;
  readonly cacheBytesMax?: number;
}

/** What one question came to, with how long it may be kept. */
interface Found<T extends RecordType> {
  readonly answer: DnsAnswer<T>;
  readonly ttlSeconds: number;
  readonly octets: number;
}

type Asked = { readonly kind: "reply"; readonly reply: Reply } | { readonly kind: "failed"; readonly reason: string };

export class DnsResolver implements Resolver {
  readonly #options: DnsResolverOptions;
  readonly #cache: DnsCache;
  readonly #inFlight = new Map<string, Promise<DnsAnswer<RecordType>>>();
  readonly #turns: DnsTurns;
  #preferred: { readonly server: DnsServer; readonly untilMs: number } | undefined;

  constructor(options: DnsResolverOptions) {
    this.#options = options;
    this.#cache = new DnsCache(options.cacheBytesMax ?? cacheBytesMax);
    this.#turns = new DnsTurns(options.clock, options.log);
  }

  async query<T extends RecordType>(name: string, type: T, options: QueryOptions = {}): Promise<DnsAnswer<T>> {
    const known = this.#knownFor(name, type, options.fresh);
    if (known !== undefined) return known;
    return await untilAborted(this.#inTurn({ name: normalName(name), type }, options), options.signal);
  }

  known<T extends RecordType>(name: string, type: T): DnsAnswer<T> | undefined {
    const wanted = normalName(name);
    return localAnswer(wanted, type) ?? this.#cache.get(wanted, type, this.#options.clock.monotonicMs());
  }

  /** Forgets every answer. */
  clearCache(): void {
    this.#cache.clear();
  }

  #knownFor<T extends RecordType>(name: string, type: T, fresh = false): DnsAnswer<T> | undefined {
    const known = this.known(name, type);
    return fresh && known?.kind !== "records" ? undefined : known;
  }

  #running<T extends RecordType>({ name, type }: Question & { readonly type: T }): Promise<DnsAnswer<T>> | undefined {
    return this.#inFlight.get(`${type} ${name}`) as Promise<DnsAnswer<T>> | undefined;
  }

  /**
   * Equal questions of one moment are asked once. Each waits for its own turn first: otherwise whoever asks the same in a
   * longer queue would have others wait there.
   */
  async #inTurn<T extends RecordType>(
    question: Question & { readonly type: T },
    { asker, fresh }: { readonly asker?: DnsAsker; readonly fresh?: boolean },
  ): Promise<DnsAnswer<T>> {
    const deadlineMs = this.#options.clock.monotonicMs() + totalTimeoutMs;
    const running = this.#running(question);
    if (running !== undefined) return await running;
    const turn = await this.#turns.take(asker);
    // Not kept: it says nothing about the question.
    if (turn === undefined) return { kind: "failure", reason: "too many other DNS lookups are in progress" };
    const answer = this.#running(question) ?? this.#knownFor(question.name, question.type, fresh);
    if (answer !== undefined) {
      turn.end();
      return await answer;
    }
    const key = `${question.type} ${question.name}`;
    const started = this.#resolve(question, deadlineMs, turn).finally(() => this.#inFlight.delete(key));
    this.#inFlight.set(key, started as Promise<DnsAnswer<RecordType>>);
    return await started;
  }

  async #resolve<T extends RecordType>(
    question: Question & { readonly type: T },
    deadlineMs: number,
    turn: Turn,
  ): Promise<DnsAnswer<T>> {
    const { clock, log } = this.#options;
    let found: Found<T>;
    try {
      found = await this.#find(question, deadlineMs, turn);
    } catch (error) {
      // What no server should be able to cause is still an answer to the caller.
      logTrouble(log, `looking up ${question.type} ${question.name}`, error);
      found = failure((error as Error).message);
    } finally {
      turn.end();
    }
    const { answer, ttlSeconds, octets } = found;
    if (answer.kind === "failure")
      log.event("dns-failed", { name: question.name, type: question.type, reason: answer.reason });
    this.#cache.set(question.name, question.type, answer, {
      nowMs: clock.monotonicMs(),
      ttlMs: ttlSeconds * 1000,
      octets,
    });
    return answer;
  }

  /** Asks for the name, and again for where a CNAME leads that the answer did not follow to its end. */
  async #find<T extends RecordType>(
    question: Question & { readonly type: T },
    deadlineMs: number,
    turn: Turn,
  ): Promise<Found<T>> {
    const { type } = question;
    let { name } = question;
    let linksLeft = cnameLinksMax;
    let ttlSeconds = positiveTtlSecondsMax;
    let secure = true;
    for (;;) {
      const asked = await this.#ask({ name, type }, deadlineMs, turn);
      if (asked.kind === "failed") return failure(asked.reason);
      const { reply } = asked;
      secure &&= reply.authenticated;
      const chain = followChain(reply, name, type, linksLeft);
      if (chain.kind === "too-long") return failure("more than eight CNAMEs, or a loop of them");
      ttlSeconds = Math.min(ttlSeconds, chain.ttlSeconds);
      const { octets } = reply;
      if (chain.kind === "records") {
        const { records } = chain;
        if (records.length === 0) return failure("no record of the answer can be read");
        return { answer: { kind: "records", records, name: chain.name, ttlSeconds, secure }, ttlSeconds, octets };
      }
      const negative = Math.min(ttlSeconds, reply.negativeTtlSeconds ?? failureTtlSeconds, negativeTtlSecondsMax);
      if (reply.responseCode === ResponseCode.noSuchName) {
        return { answer: { kind: "no-name", secure }, ttlSeconds: negative, octets };
      }
      if (chain.links === 0 || reply.negativeTtlSeconds !== undefined) {
        return { answer: { kind: "no-data", secure }, ttlSeconds: negative, octets };
      }
      linksLeft -= chain.links;
      ({ name } = chain);
    }
  }

  /** NOERROR or NXDOMAIN from any of the servers; everything else makes the next one's turn. */
  async #ask(question: Question, deadlineMs: number, turn: Turn): Promise<Asked> {
    if (!isQueryable(question.name)) return { kind: "reply", reply: nobody };
    const { clock } = this.#options;
    let servers = this.#suiting(question);
    let reason = "no DNS server answered in time";
    for (const roundMs of roundTimeoutsMs) {
      const silent: DnsServer[] = [];
      for (const server of servers) {
        const nowMs = clock.monotonicMs();
        if (nowMs >= deadlineMs) return { kind: "failed", reason };
        const exchange = await this.#askServer(server, question, Math.min(nowMs + roundMs, deadlineMs));
        if (exchange.kind !== "reply") {
          silent.push(server);
          reason = `${server.address}: ${exchange.kind === "broken" ? exchange.reason : exchange.kind}`;
          continue;
        }
        const { responseCode, isReferral } = exchange.reply;
        if (responseCode === ResponseCode.noError && isReferral) {
          reason = `${server.address}: a referral to other servers instead of an answer`;
          continue;
        }
        if (responseCode === ResponseCode.noError || responseCode === ResponseCode.noSuchName) {
          this.#prefer(server);
          return { kind: "reply", reply: { ...exchange.reply, authenticated: this.#believes(server, exchange.reply) } };
        }
        reason = `${server.address}: ${codeName(responseCode)}`;
      }
      // Whoever said no means it; only those that said nothing are asked again, where nobody else needs the turn.
      servers = turn.crowded ? [] : silent;
    }
    return { kind: "failed", reason };
  }

  async #askServer(server: DnsServer, question: Question, untilMs: number): Promise<Exchange> {
    const dnssec = this.#trusts(server);
    const first = await this.#exchange(server, question, { dnssec }, untilMs);
    // Very old servers stumble over EDNS (RFC 6891 §6.2.2).
    const stumbled =
      first.kind === "reply" &&
      first.reply.responseCode !== ResponseCode.noSuchName &&
      [ResponseCode.formatError, ResponseCode.notImplemented, badVersion].includes(first.reply.responseCode);
    return stumbled ? await this.#exchange(server, question, undefined, untilMs) : first;
  }

  async #exchange(
    server: DnsServer,
    question: Question,
    edns: { readonly dnssec: boolean } | undefined,
    untilMs: number,
  ): Promise<Exchange> {
    const { transport, clock, random } = this.#options;
    const id = Buffer.from(random.bytes(2)).readUInt16BE(0);
    const query = encodeQuery(id, question, edns);
    const read = (bytes: Buffer) => readReply(bytes, id, question);
    const timeoutMs = () => Math.max(0, untilMs - clock.monotonicMs());
    const options = () => ({ transport, server, query, read, timeoutMs: timeoutMs(), clock });
    const byUdp = await exchangeUdp(options());
    return byUdp.kind === "truncated" ? await exchangeTcp(options()) : byUdp;
  }

  #trusts(server: DnsServer): boolean {
    return this.#options.trustAd === true || isOnThisMachine(server);
  }

  #believes(server: DnsServer, reply: Reply): boolean {
    return reply.authenticated && this.#trusts(server);
  }

  /**
   * TLSA records count only where they are validated. A validating server that finds them forged or broken says SERVFAIL, and
   * what another tells then would be taken for an answer that no records count: so it is not asked.
   */
  #suiting({ type }: Question): readonly DnsServer[] {
    const servers = this.#inOrder();
    const trusted = type === "TLSA" ? servers.filter((server) => this.#trusts(server)) : [];
    return trusted.length > 0 ? trusted : servers;
  }

  #inOrder(): readonly DnsServer[] {
    const { servers, clock } = this.#options;
    const preferred = this.#preferred;
    if (preferred === undefined || preferred.untilMs <= clock.monotonicMs()) return servers;
    return [preferred.server, ...servers.filter((server) => server !== preferred.server)];
  }

  #prefer(server: DnsServer): void {
    if (server === this.#inOrder()[0]) return;
    this.#preferred = { server, untilMs: this.#options.clock.monotonicMs() + preferredMs };
  }
}

/** RFC 6891 §9. */
const badVersion: number = 16;

const nobody: Reply = {
  responseCode: ResponseCode.noSuchName,
  authenticated: false,
  answers: [],
  isReferral: false,
  negativeTtlSeconds: 0,
  octets: 0,
};

function normalName(name: string): string {
  return asciiLowerCase(name.endsWith(".") ? name.slice(0, -1) : name);
}

/** localhost never leaves this machine (RFC 6761 §6.3). */
function localAnswer<T extends RecordType>(name: string, type: T): DnsAnswer<T> | undefined {
  if (name !== "localhost" && !name.endsWith(".localhost")) return undefined;
  const addresses: Partial<Record<RecordType, string>> = { A: "127.0.0.1", AAAA: "::1" };
  const address = addresses[type] as RecordTypes[T] | undefined;
  if (address === undefined) return { kind: "no-data", secure: false };
  return { kind: "records", records: [address], name, ttlSeconds: positiveTtlSecondsMax, secure: false };
}

function failure<T extends RecordType>(reason: string): Found<T> {
  return { answer: { kind: "failure", reason }, ttlSeconds: failureTtlSeconds, octets: 0 };
}

function codeName(code: number): string {
  return ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"][code] ?? `response code ${code}`;
}

/** The question goes on for others and for the cache; this caller stops waiting. */
async function untilAborted<T extends RecordType>(
  answer: Promise<DnsAnswer<T>>,
  signal: AbortSignal | undefined,
): Promise<DnsAnswer<T>> {
  if (signal === undefined) return await answer;
  return await new Promise((resolve) => {
    const onAbort = () => resolve({ kind: "failure", reason: "aborted" });
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    const settled = (value: DnsAnswer<T>) => {
      signal.removeEventListener("abort", onAbort);
      resolve(value);
    };
    answer.then(settled, () => settled({ kind: "failure", reason: "the look-up broke off" }));
  });
}
