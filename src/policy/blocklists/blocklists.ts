/**
 * DNS lists of clients and domains (RFC 5782): asks those that passed their self-test, adds up scores, and says which lists
 * have an entry. A list that fails counts for nothing, so honest mail never depends on it: one that answers everything
 * (its domain was sold), one that refuses us (public resolvers, too many queries), one that is not reached.
 *
 * The self-test is repeated, since all of this happens to lists that worked yesterday.
 */
import { isLoopback, isPrivate, parseIpAddress } from "../../address/ip-address.ts";
import { domainKeyOf } from "../../address/domain.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { logTrouble } from "../../spool/spool-trouble.ts";
import { parseClient, reverseName } from "../../spf/client-address.ts";
import { LimitedResolver } from "../authentication/limited-resolver.ts";
import { networkKey } from "../network-key.ts";
import { isListRefusal, returnCodes } from "./return-codes.ts";
import type { BlocklistSettings, BlocklistsSettings } from "./settings.ts";

/** Clients wait five minutes for the reply to RCPT (RFC 5321 §4.5.3.2.3); a list that takes longer is slow. */
const patienceMs = 5000;
const testEveryMs = 3_600_000;

/** Why a list counts for nothing; undefined: it works. */
export type ListTrouble =
  "not-tested" | "answers-everything" | "refuses-queries" | "test-entry-missing" | "unreachable";

export interface ListFindings {
  readonly score: number;
  /** Each as "192.0.2.1 in zen.example.net". */
  readonly entries: readonly string[];
}

export interface BlocklistsPorts {
  readonly resolver: Resolver;
  readonly clock: Pick<Clock, "setTimer">;
  readonly log: Log;
}

export interface ListedSubject {
  readonly clientAddress: string;
  /** Of the reverse-path; undefined: it is null. */
  readonly domain: string | undefined;
}

type Answer = "listed" | "not-listed" | "refused" | "failed";

const nothing: ListFindings = { score: 0, entries: [] };

export class Blocklists {
  readonly #ports: BlocklistsPorts;
  /** Of the lists in the settings, by zone. */
  #troubles = new Map<string, ListTrouble | undefined>();
  #settings: BlocklistsSettings;
  #timer: Timer | undefined;
  #closed = false;

  constructor(ports: BlocklistsPorts, settings: BlocklistsSettings) {
    this.#ports = ports;
    this.#settings = settings;
  }

  get refuseAt(): number {
    return this.#settings.refuse_at;
  }

  /** Lists that are not known are tested at once. */
  reconfigure(settings: BlocklistsSettings): void {
    this.#settings = settings;
    this.#troubles = new Map(
      settings.list.flatMap(({ zone }) =>
        this.#troubles.has(zone) ? [[zone, this.#troubles.get(zone)] as const] : [],
      ),
    );
    this.start();
  }

  /** Tests all lists, now and every hour. */
  start(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#closed || this.#settings.list.length === 0) return;
    this.#timer = this.#ports.clock.setTimer(testEveryMs, () => this.start());
    for (const list of this.#settings.list) {
      this.#test(list).catch((error: unknown) => logTrouble(this.#ports.log, `testing ${list.zone}`, error));
    }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** undefined: the list works. */
  troubleOf(zone: string): ListTrouble | undefined {
    return this.#troubles.has(zone) ? this.#troubles.get(zone) : "not-tested";
  }

  /** Never rejects. At once where no list can have an entry. */
  find({ clientAddress, domain }: ListedSubject): ListFindings | Promise<ListFindings> {
    const working = this.#settings.list.filter(({ zone }) => this.troubleOf(zone) === undefined);
    const questions = working.flatMap((list) => {
      const subject = list.lists === "addresses" ? publicAddress(clientAddress) : domain;
      const prefix = subject === undefined ? undefined : queryPrefix(list, subject);
      return subject === undefined || prefix === undefined ? [] : [{ list, subject, prefix }];
    });
    return questions.length === 0 ? nothing : this.#ask(questions, networkKey(clientAddress));
  }

  async #ask(
    questions: readonly { readonly list: BlocklistSettings; readonly subject: string; readonly prefix: string }[],
    client: string | undefined,
  ): Promise<ListFindings> {
    const resolver = new LimitedResolver(this.#ports.resolver, { ...(client !== undefined && { client }) });
    resolver.giveUpAfter(patienceMs, this.#ports.clock);
    const answers = await Promise.all(questions.map(({ list, prefix }) => lookUp(resolver, list, prefix)));
    resolver.done();
    let score = 0;
    const entries: string[] = [];
    for (const [index, { list, subject }] of questions.entries()) {
      if (answers[index] === "refused") this.#conclude(list.zone, "refuses-queries");
      if (answers[index] !== "listed") continue;
      score += list.score;
      entries.push(`${subject} in ${list.zone}`);
    }
    return { score, entries };
  }

  /** RFC 5782 §5: 127.0.0.2 or `test` is an entry, 127.0.0.1 or `invalid` is none. */
  async #test(list: BlocklistSettings): Promise<void> {
    const resolver = new LimitedResolver(this.#ports.resolver);
    resolver.giveUpAfter(patienceMs, this.#ports.clock);
    const [entry, noEntry] = list.lists === "addresses" ? ["127.0.0.2", "127.0.0.1"] : ["test", "invalid"];
    const [there, notThere] = await Promise.all(
      [list.test_entry ?? entry, noEntry].map((subject) =>
        lookUp(resolver, list, queryPrefix(list, subject) ?? "", true),
      ),
    );
    resolver.done();
    this.#conclude(list.zone, troubleFrom(there ?? "failed", notThere ?? "failed"));
  }

  #conclude(zone: string, trouble: ListTrouble | undefined): void {
    // A reload may have dropped the list while it was asked.
    if (this.#closed || !this.#settings.list.some((list) => list.zone === zone)) return;
    const before = this.troubleOf(zone);
    this.#troubles.set(zone, trouble);
    if (before === trouble) return;
    if (trouble === undefined) this.#ports.log.event("blocklist-works", { zone });
    else this.#ports.log.event("blocklist-unusable", { zone, reason: trouble });
  }
}

function troubleFrom(there: Answer, notThere: Answer): ListTrouble | undefined {
  if (there === "refused" || notThere === "refused") return "refuses-queries";
  if (notThere === "listed") return "answers-everything";
  if (there === "failed" || notThere === "failed") return "unreachable";
  return there === "listed" ? undefined : "test-entry-missing";
}

/** `anyCode`: the test entry need not have a code that counts. */
async function lookUp(
  resolver: LimitedResolver,
  { zone, codes }: BlocklistSettings,
  prefix: string,
  anyCode = false,
): Promise<Answer> {
  const answer = await resolver.query(`${prefix}.${domainKeyOf(zone) ?? zone}`, "A");
  if (answer.kind === "failure") return "failed";
  if (answer.kind !== "records") return "not-listed";
  if (answer.records.some((address) => isListRefusal(address))) return "refused";
  const counting = returnCodes(anyCode ? [] : codes);
  // A domain that was sold answers with the address of a web server.
  if (anyCode && !answer.records.every((address) => address.startsWith("127."))) return "listed";
  return answer.records.some((address) => counting?.matches(address)) ? "listed" : "not-listed";
}

/** Only addresses of the public internet have entries. */
function publicAddress(address: string): string | undefined {
  const parsed = parseIpAddress(address);
  return parsed === undefined || isLoopback(parsed) || isPrivate(parsed) ? undefined : parsed.text;
}

/** Longest name before the zone: 253 octets for all of it (RFC 1035 §2.3.4). */
const nameMax = 253;

/** The reversed address (RFC 5782 §2.1, §2.4), or the domain in A-labels. undefined: it cannot be looked up. */
function queryPrefix({ lists, zone }: BlocklistSettings, subject: string): string | undefined {
  if (lists === "domains") {
    const domain = subject.startsWith("[") ? undefined : domainKeyOf(subject);
    return domain !== undefined && domain.length + 1 + zone.length <= nameMax ? domain : undefined;
  }
  const client = parseClient(subject);
  return client && reverseName(client).replace(/\.(?:in-addr|ip6)\.arpa$/, "");
}
