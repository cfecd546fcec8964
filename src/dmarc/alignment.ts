/**
 * Identifier alignment (RFC 9989 §4.4, §4.10.2) with one author domain: the same name, or in relaxed mode the same
 * organisational domain.
 */
import type { DkimOutcome } from "../dkim/dkim-outcome.ts";
import type { SpfOutcome } from "../spf/spf-outcome.ts";
import type { DmarcAlignment } from "./dmarc-outcome.ts";
import { organizationalDomainOf, type DmarcRecords } from "./tree-walk.ts";

/** What one mechanism says of one domain. */
export interface Identifier {
  readonly mechanism: "spf" | "dkim";
  /** Lower case, A-labels. */
  readonly domain: string;
  readonly result: SpfOutcome["result"] | DkimOutcome["result"];
  /** Set for those that passed or might have: `unknown` where DNS did not answer. */
  readonly alignment?: "aligned" | "not-aligned" | "unknown";
}

export class Alignment {
  readonly #records: DmarcRecords;
  readonly #authorDomain: string;
  #organizationalDomain: string | undefined;
  #failure: string | undefined;

  /** `organizationalDomain`: of the author domain, where it is known already. */
  constructor(records: DmarcRecords, authorDomain: string, organizationalDomain: string | undefined) {
    this.#records = records;
    this.#authorDomain = authorDomain;
    this.#organizationalDomain = organizationalDomain;
  }

  /** Of the author domain, as far as it was needed. */
  get organizationalDomain(): string | undefined {
    return this.#organizationalDomain;
  }

  /** Why some alignment is unknown. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** `domain`: lower case, A-labels. */
  async of(domain: string, mode: DmarcAlignment): Promise<"aligned" | "not-aligned" | "unknown"> {
    if (domain === this.#authorDomain) return "aligned";
    // An organisational domain is the domain itself or above it, so nothing in common means two of them.
    if (mode === "strict" || lastLabel(domain) !== lastLabel(this.#authorDomain)) return "not-aligned";
    const organization = this.#organizationalDomain ?? (await this.#organizationOf(this.#authorDomain));
    if (organization === undefined) return "unknown";
    this.#organizationalDomain = organization;
    if (domain !== organization && !domain.endsWith(`.${organization}`)) return "not-aligned";
    const other = await this.#organizationOf(domain);
    if (other === undefined) return "unknown";
    return other === organization ? "aligned" : "not-aligned";
  }

  async #organizationOf(domain: string): Promise<string | undefined> {
    const walk = await this.#records.walk(domain);
    if (walk.failure === undefined) return organizationalDomainOf(walk);
    this.#failure ??= walk.failure;
    return undefined;
  }
}

function lastLabel(domain: string): string {
  return domain.slice(domain.lastIndexOf(".") + 1);
}
