/**
 * Who sent this message? SPF and reverse DNS are asked when the envelope is known, DKIM and ARC keys and the DMARC record
 * when the header section is, hashes are taken while the content arrives; so what is left for the end of the content is
 * what DNS has not answered yet, and a few microseconds.
 *
 * Owns which checks are made and in which order, and that they end: {@link patienceMs} after the content, what DNS has not
 * answered counts as temporary trouble. A check that fails because of a bug is logged and counts as the same, so a bug
 * there never costs a session. What a check means is its own folder's; what is done is decided in handling.ts.
 */
import type { ArcOutcome } from "../../arc/arc-outcome.ts";
import { ArcValidator } from "../../arc/arc-validator.ts";
import type { BodyHashes } from "../../dkim/body-hashes.ts";
import type { DkimOutcome } from "../../dkim/dkim-outcome.ts";
import { DkimVerifier } from "../../dkim/verifier.ts";
import { type AuthorDomain, readAuthorDomain } from "../../dmarc/author-domain.ts";
import type { DmarcOutcome } from "../../dmarc/dmarc-outcome.ts";
import { evaluateDmarc } from "../../dmarc/evaluate-dmarc.ts";
import { findPolicy } from "../../dmarc/policy-discovery.ts";
import { formatResults } from "../../message/authentication-results.ts";
import type { HeaderSection } from "../../message/header-section.ts";
import { formatReceivedSpf } from "../../message/received-spf.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { checkSender, type SenderOutcomes } from "../../spf/spf.ts";
import { methodResults } from "./authentication-results-field.ts";
import type { ClientReputation } from "./evidence.ts";
import { decideHandling } from "./handling.ts";
import { networkKey } from "../network-key.ts";
import { LimitedResolver } from "./limited-resolver.ts";
import { checkReverseDns, type ReverseDnsOutcome } from "./reverse-dns.ts";
import type { SenderFindings, SenderVerdict } from "./sender-verdict.ts";
import { authservIdOf, type SenderAuthenticationSettings } from "./settings.ts";

/** RFC 7208 §4.6.4 wants at least 20 seconds for SPF; a client waits ten minutes for the reply (RFC 5321 §4.5.3.2.6). */
export const patienceMs = 20_000;

export interface SenderAuthenticationPorts {
  readonly resolver: Resolver;
  readonly clock: Pick<Clock, "now" | "setTimer">;
  readonly log?: Log;
  readonly reputation?: ClientReputation;
}

export interface SenderEnvelope {
  readonly client: {
    /** Textual IP address; "": it is hidden, so that SPF, reverse DNS and lists of addresses say nothing. */
    readonly address: string;
    /** EHLO or HELO argument as given; "" where there was none. */
    readonly hello: string;
  };
  /** `domain` in A- or U-labels; null: the null reverse-path. */
  readonly reversePath: { readonly localPart: string; readonly domain: string } | null;
  /** Counts octets that are kept as long as the message; false: there is no room. Default: nobody counts. */
  readonly hold?: (octets: number) => boolean;
}

export class SenderAuthentication {
  readonly #ports: SenderAuthenticationPorts;
  #settings: SenderAuthenticationSettings;

  constructor(ports: SenderAuthenticationPorts, settings: SenderAuthenticationSettings) {
    this.#ports = ports;
    this.#settings = settings;
  }

  /** For messages that begin from now on. */
  reconfigure(settings: SenderAuthenticationSettings): void {
    this.#settings = settings;
  }

  /** `authentication.check`. */
  get enabled(): boolean {
    return this.#settings.authentication.check;
  }

  /** Names under which a field of ours may be known; one that a stranger's message bears is forged. */
  get ownNames(): readonly string[] {
    return [authservIdOf(this.#settings), this.#settings.hostname];
  }

  /** When the envelope is known, before the content: begins what depends on nothing else. */
  beginEnvelope(envelope: SenderEnvelope): EnvelopeChecks {
    return new EnvelopeChecks(this.#ports, this.#settings, envelope);
  }

  /** Both steps in one, for content that is here already. */
  begin(
    message: SenderEnvelope & { readonly header: HeaderSection; readonly bodies: BodyHashes },
  ): PendingAuthentication {
    return this.beginEnvelope(message).begin(message.header, message.bodies);
  }
}

/** The checks of one message, before its header section is there. May be forgotten at any time. */
export class EnvelopeChecks {
  readonly ports: SenderAuthenticationPorts;
  readonly settings: SenderAuthenticationSettings;
  readonly envelope: SenderEnvelope;
  readonly resolver: LimitedResolver;
  readonly spf: Promise<SenderOutcomes>;
  readonly iprev: Promise<ReverseDnsOutcome>;

  constructor(ports: SenderAuthenticationPorts, settings: SenderAuthenticationSettings, envelope: SenderEnvelope) {
    this.ports = ports;
    this.settings = settings;
    this.envelope = envelope;
    const { client, reversePath } = envelope;
    const network = networkKey(client.address);
    const { hold } = envelope;
    this.resolver = new LimitedResolver(ports.resolver, {
      ...(network !== undefined && { client: network }),
      ...(hold !== undefined && { hold }),
    });
    const query = {
      clientAddress: client.address,
      hello: client.hello,
      reversePath,
      receiverName: settings.hostname,
    };
    const { resolver } = this;
    this.spf = guarded(
      ports,
      "spf",
      () => checkSender(query, { resolver, now: ports.clock.now() }),
      () => spfFault(envelope),
    );
    this.iprev = guarded(
      ports,
      "iprev",
      () => (client.address === "" ? hiddenClient : checkReverseDns(client.address, { resolver })),
      () => iprevFault,
    );
  }

  /** When the header section is complete, as it came; before the first octet of the body goes into `bodies`. */
  begin(header: HeaderSection, bodies: BodyHashes): PendingAuthentication {
    return new PendingAuthentication(this, header, bodies);
  }
}

/** The checks of one message while its content arrives. May be forgotten at any time. */
export class PendingAuthentication {
  readonly #envelope: EnvelopeChecks;
  readonly #header: HeaderSection;
  readonly #author: AuthorDomain;
  readonly #dkim: DkimVerifier | undefined;
  readonly #arc: ArcValidator | undefined;

  constructor(envelope: EnvelopeChecks, header: HeaderSection, bodies: BodyHashes) {
    const { ports, resolver } = envelope;
    const options = { resolver, now: ports.clock.now() };
    this.#envelope = envelope;
    this.#header = header;
    this.#author = readAuthorDomain(header);
    this.#dkim = guardedNow(ports, "dkim", () => new DkimVerifier(header, bodies, options));
    this.#arc = guardedNow(ports, "arc", () => new ArcValidator(header, bodies, options));
    // Asked for now, so that it is here when DMARC is evaluated last.
    if (this.#author.kind === "domain") void findPolicy(resolver, this.#author.domain).catch(() => undefined);
  }

  /** After `bodies.end()`. Never rejects for what a message or DNS brings. */
  async finish(): Promise<SenderVerdict> {
    const { ports, resolver } = this.#envelope;
    resolver.giveUpAfter(patienceMs, ports.clock);
    try {
      return this.#conclude(await this.#find());
    } finally {
      resolver.done();
    }
  }

  async #find(): Promise<SenderFindings> {
    const { ports, envelope, resolver, ...begun } = this.#envelope;
    const author = this.#author;
    const [sender, iprev, dkim, arc] = await Promise.all([
      begun.spf,
      begun.iprev,
      guarded(
        ports,
        "dkim",
        () => this.#dkim?.finish() ?? dkimFault(author),
        () => dkimFault(author),
      ),
      guarded(
        ports,
        "arc",
        () => this.#arc?.finish() ?? arcFault,
        () => arcFault,
      ),
    ]);
    const nullReversePath = envelope.reversePath === null;
    // For the null reverse-path both outcomes are one (RFC 7208 §2.4).
    const spf = nullReversePath ? (sender.helo ?? sender.mailfrom) : sender.mailfrom;
    const dmarc = await guarded(
      ports,
      "dmarc",
      () => evaluateDmarc({ author, spf, nullReversePath, dkim }, { resolver }),
      () => dmarcFault(author),
    );
    const helo = nullReversePath || sender.helo === undefined ? undefined : { helo: sender.helo };
    return { spf, ...helo, dkim, arc, dmarc, iprev };
  }

  #conclude(findings: SenderFindings): SenderVerdict {
    const { settings, envelope, ports } = this.#envelope;
    const { address: clientAddress, hello } = envelope.client;
    const { reversePath } = envelope;
    const facts = {
      findings,
      clientAddress,
      localPart: reversePath?.localPart ?? "",
      header: this.#header,
      author: this.#author,
    };
    const handling = decideHandling(facts, settings, ports.reputation);
    const results = formatResults(methodResults(findings, handling, clientAddress));
    const { spf } = findings;
    const receivedSpf = settings.authentication.received_spf
      ? formatReceivedSpf({
          result: spf.result,
          identity: spf.identity,
          comment: spf.reason,
          clientAddress,
          reversePath: reversePath === null ? "" : `${reversePath.localPart}@${reversePath.domain}`,
          hello,
          receiver: settings.hostname,
        })
      : undefined;
    return {
      ...findings,
      ...handling,
      results,
      field: `Authentication-Results: ${authservIdOf(settings)}${results}\r\n`,
      ...(receivedSpf !== undefined && { receivedSpf }),
    };
  }
}

/** A check that throws has a bug: it is logged, and the answer is that of `fault`. */
async function guarded<T>(
  ports: SenderAuthenticationPorts,
  check: string,
  run: () => T | Promise<T>,
  fault: () => T,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    logFault(ports, check, error);
    return fault();
  }
}

function guardedNow<T>(ports: SenderAuthenticationPorts, check: string, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    logFault(ports, check, error);
    return undefined;
  }
}

function logFault({ log }: SenderAuthenticationPorts, check: string, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log?.event("sender-check-failed", { check, error: text });
}

const faultWords = "the check failed because of an internal error";

function spfFault({ client, reversePath }: SenderEnvelope): SenderOutcomes {
  const common = { result: "temperror", reason: faultWords, lookups: 0, voidLookups: 0 } as const;
  const helo = { ...common, identity: "helo", domain: client.hello } as const;
  return { mailfrom: { ...common, identity: "mailfrom", domain: reversePath?.domain ?? client.hello }, helo };
}

const hiddenClient: ReverseDnsOutcome = { result: "temperror", detail: "the address of the client is hidden" };
const iprevFault: ReverseDnsOutcome = { result: "temperror", detail: faultWords };
/** Aligned, so that DMARC says "later" and not "fail". */
function dkimFault(author: AuthorDomain): readonly DkimOutcome[] {
  const domain = author.kind === "domain" ? author.domain : "";
  const about = { domain, selector: "", algorithm: "", signatureStart: "", testing: false };
  return [{ result: "temperror", reason: "internal-fault", detail: faultWords, ...about }];
}

const arcFault: ArcOutcome = {
  result: "fail",
  detail: faultWords,
  instance: 0,
  newestSealSaysFail: true,
  sealers: [],
};

function dmarcFault(author: AuthorDomain): DmarcOutcome {
  const domain = author.kind === "domain" ? { authorDomain: author.domain } : undefined;
  return { result: "temperror", detail: faultWords, ...domain, policy: "none", spfAligned: false, dkimAligned: false };
}
