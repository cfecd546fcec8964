/** Puts an aggregate report together from the elements of its XML, by their path; unknown elements are passed over. */
import { parseIpAddress } from "../../address/ip-address.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import type { DmarcAlignment, DmarcPolicy } from "../dmarc-outcome.ts";
import type {
  AggregateReport,
  AggregateRow,
  DkimRowResult,
  OverrideReason,
  OverrideType,
  PublishedPolicy,
  SpfRowResult,
} from "./aggregate-report.ts";
/** Texts for people are cut here: they are shown, not kept for their own sake. */
const textLengthMax = 1000;
/** RFC 9990 §3.1.3: no more than 100 signatures to a row. */
const resultsMax = 100;
const reasonsMax = 20;
const problemsMax = 10;
/** Seconds since 1970 up to the year 9999. */
const secondsMax = 253_402_300_799;

interface OpenRow {
  readonly fields: Map<string, string>;
  readonly reasons: OverrideReason[];
  readonly dkim: DkimRowResult[];
  readonly spf: SpfRowResult[];
}

/** What is read of one `dkim`, `spf` or `reason` element. */
type Group = Map<string, string>;

export type BuiltReport =
  /** `problems`: what was wrong and read over, at most some; `complete` is false where rows may be missing. */
  | {
      readonly kind: "report";
      readonly report: AggregateReport;
      readonly complete: boolean;
      readonly problems: readonly string[];
    }
  | { readonly kind: "unreadable"; readonly reason: string };

export class ReportBuilder {
  readonly #fields = new Map<string, string>();
  readonly #errors: string[] = [];
  readonly #rows: AggregateRow[] = [];
  readonly #problems: string[] = [];
  #row: OpenRow | undefined;
  #group: Group | undefined;
  #text = "";

  get rowCount(): number {
    return this.#rows.length;
  }

  /** `path`: names below the root, with slashes; "" is the root. */
  open(path: string): void {
    if (path.slice(0, path.lastIndexOf("/")) === reasonPath) this.#keepDirectText();
    this.#text = "";
    if (path === "record") this.#row = { fields: new Map(), reasons: [], dkim: [], spf: [] };
    else if (groups.has(path)) this.#group = new Map();
  }

  text(text: string): void {
    if (this.#text.length < textLengthMax) this.#text += text.slice(0, textLengthMax - this.#text.length);
  }

  close(path: string): void {
    if (path === reasonPath) this.#keepDirectText();
    const value = this.#text.trim();
    this.#text = "";
    const row = this.#row;
    if (row === undefined) {
      if (path === "report_metadata/error") {
        if (this.#errors.length < reasonsMax && value !== "") this.#errors.push(value);
      } else if (/^(?:report_metadata|policy_published)\//.test(path) && !this.#fields.has(path)) {
        this.#fields.set(path, value);
      }
      return;
    }
    if (path === "record") {
      this.#rows.push(this.#finishRow(row));
      this.#row = undefined;
    } else if (groups.has(path)) {
      this.#finishGroup(path, row);
    } else {
      const slash = path.lastIndexOf("/");
      const target = groups.has(path.slice(0, slash)) ? this.#group : row.fields;
      const key = target === row.fields ? path : path.slice(slash + 1);
      if (rowFields.has(key) && target !== undefined && !target.has(key)) target.set(key, value);
    }
  }

  /** Some write the reason itself where its elements should stand. */
  #keepDirectText(): void {
    const text = this.#text.trim();
    if (text === "" || this.#group === undefined) return;
    const before = this.#group.get(directText);
    this.#group.set(directText, before === undefined ? text : `${before} ${text}`.slice(0, textLengthMax));
  }

  /** Told once each. */
  problem(text: string): void {
    if (this.#problems.length < problemsMax && !this.#problems.includes(text)) this.#problems.push(text);
  }

  /** `stopped`: why reading ended early. */
  finish(stopped: string | undefined): BuiltReport {
    const domain = this.#fields.get("policy_published/domain");
    if (domain === undefined || domain === "" || (stopped !== undefined && this.#rows.length === 0)) {
      return { kind: "unreadable", reason: stopped ?? "the report does not say which domain it is about" };
    }
    if (stopped !== undefined) this.problem(stopped);
    if (this.#rows.length === 0) this.problem("the report has no rows");
    return { kind: "report", report: this.#report(domain), complete: stopped === undefined, problems: this.#problems };
  }

  #report(domain: string): AggregateReport {
    const metadata = (name: string) => this.#fields.get(`report_metadata/${name}`) ?? "";
    return {
      organization: metadata("org_name"),
      email: metadata("email"),
      ...optional("extraContact", metadata("extra_contact_info")),
      reportId: metadata("report_id"),
      begin: this.#seconds("begin"),
      end: this.#seconds("end"),
      errors: this.#errors,
      ...optional("generator", metadata("generator")),
      policy: this.#policy(domain),
      rows: this.#rows,
    };
  }

  #seconds(name: "begin" | "end"): number {
    const text = this.#fields.get(`report_metadata/date_range/${name}`) ?? "";
    const seconds = /^\d{1,12}$/.test(text) ? Number(text) : secondsMax + 1;
    if (seconds <= secondsMax) return seconds * 1000;
    this.problem("the period of the report cannot be read");
    return 0;
  }

  #policy(domain: string): PublishedPolicy {
    const field = (name: string) => asciiLowerCase(this.#fields.get(`policy_published/${name}`) ?? "");
    const testing = oneOf(field("testing"), ["y", "n"]);
    return {
      domain: asciiLowerCase(domain),
      ...optional("discoveryMethod", oneOf(field("discovery_method"), ["psl", "treewalk"])),
      ...optional("p", policyOf(field("p"))),
      ...optional("sp", policyOf(field("sp"))),
      ...optional("np", policyOf(field("np"))),
      ...optional("fo", field("fo")),
      ...optional("adkim", alignmentOf(field("adkim"))),
      ...optional("aspf", alignmentOf(field("aspf"))),
      ...(testing !== undefined && { testing: testing === "y" }),
    };
  }

  #finishRow({ fields, reasons, dkim, spf }: OpenRow): AggregateRow {
    const field = (name: string) => fields.get(`record/${name}`) ?? "";
    const source = parseIpAddress(field("row/source_ip"))?.text;
    if (source === undefined) this.problem(`"${field("row/source_ip").slice(0, 60)}" is no source address`);
    const count = /^\d{1,15}$/.test(field("row/count")) ? Number(field("row/count")) : undefined;
    if (count === undefined) this.problem("a row does not say how many messages it counts");
    const envelopeFrom = fields.get("record/identifiers/envelope_from");
    const disposition = asciiLowerCase(field("row/policy_evaluated/disposition"));
    return {
      sourceAddress: source ?? field("row/source_ip"),
      count: count ?? 0,
      disposition: oneOf(disposition, ["none", "quarantine", "reject", "pass"]) ?? "unknown",
      dkimAligned: asciiLowerCase(field("row/policy_evaluated/dkim")) === "pass",
      spfAligned: asciiLowerCase(field("row/policy_evaluated/spf")) === "pass",
      reasons,
      // Drafts before RFC 7489 called it `identities`.
      headerFrom: asciiLowerCase(field("identifiers/header_from") || field("identities/header_from")),
      ...(envelopeFrom !== undefined && { envelopeFrom: asciiLowerCase(envelopeFrom) }),
      ...optional("envelopeTo", asciiLowerCase(field("identifiers/envelope_to"))),
      dkim,
      spf,
    };
  }

  #finishGroup(path: string, row: OpenRow): void {
    const group = this.#group ?? new Map<string, string>();
    this.#group = undefined;
    const field = (name: string) => group.get(name) ?? "";
    const humanResult = optional("humanResult", field("human_result"));
    const common = { domain: asciiLowerCase(field("domain")), result: resultOf(field("result")), ...humanResult };
    if (path === "record/auth_results/dkim") {
      if (row.dkim.length < resultsMax) row.dkim.push({ ...common, ...optional("selector", field("selector")) });
    } else if (path === "record/auth_results/spf") {
      const scope = oneOf(asciiLowerCase(field("scope")), ["mfrom", "helo"]);
      if (row.spf.length < resultsMax) row.spf.push({ ...common, ...optional("scope", scope) });
    } else if (row.reasons.length < reasonsMax) {
      const direct = field(directText);
      const said = [field("type"), direct].find((text) => text !== "") ?? "";
      const type = oneOf(asciiLowerCase(said), overrideTypes);
      const comment = field("comment") || (type === undefined || direct !== said ? direct : "");
      if (said !== "" || comment !== "") row.reasons.push({ type: type ?? "other", ...optional("comment", comment) });
    }
  }
}

const reasonPath = "record/row/policy_evaluated/reason";
/** Key of what stands directly in a `reason`; no element has this name. */
const directText = "";

const groups = new Set([reasonPath, "record/auth_results/dkim", "record/auth_results/spf"]);

/** Of a row and of its groups; everything else is an extension. */
const rowFields = new Set([
  "record/row/source_ip",
  "record/row/count",
  "record/row/policy_evaluated/disposition",
  "record/row/policy_evaluated/dkim",
  "record/row/policy_evaluated/spf",
  "record/identifiers/header_from",
  "record/identities/header_from",
  "record/identifiers/envelope_from",
  "record/identifiers/envelope_to",
  ...["domain", "selector", "scope", "result", "human_result", "type", "comment"],
]);

const overrideTypes = [
  "local_policy",
  "mailing_list",
  "other",
  "policy_test_mode",
  "trusted_forwarder",
  "forwarded",
  "sampled_out",
] as const satisfies readonly OverrideType[];

function oneOf<const T extends string>(text: string, values: readonly T[]): T | undefined {
  return values.find((value) => value === text);
}

function policyOf(text: string): DmarcPolicy | undefined {
  return oneOf(text, ["none", "quarantine", "reject"]);
}

function alignmentOf(text: string): DmarcAlignment | undefined {
  if (text === "r" || text === "relaxed") return "relaxed";
  return text === "s" || text === "strict" ? "strict" : undefined;
}

/** A word of RFC 8601, whatever else a reporter wrote. */
function resultOf(text: string): string {
  const word = asciiLowerCase(text);
  return /^[a-z]{1,20}$/.test(word) ? word : "unknown";
}

/** Present where there is something to say. */
function optional<K extends string, V>(key: K, value: V | "" | undefined): { [name in K]?: V } {
  return value === undefined || value === "" ? {} : ({ [key]: value } as { [name in K]?: V });
}
