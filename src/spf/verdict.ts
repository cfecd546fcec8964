/**
 * What the evaluation of one domain's record came to, inside the engine, and the sentences that outcomes tell people. A
 * verdict holds parts, not text: of the many that includes give, only the last is ever put into words.
 */
import { shorten } from "../lib/shorten.ts";
import type { Directive, Modifier } from "./record.ts";
import type { SpfResult } from "./spf-outcome.ts";

/** Longest `reason` of an outcome. */
const reasonLengthMax = 300;
/** Terms and names in a reason: enough to find them by. */
const quoteLengthMax = 80;

export interface SpfVerdict {
  readonly result: SpfResult;
  /** Whose record this is about. */
  readonly domain: string;
  /** The directive that matched. */
  readonly directive?: Directive;
  /** With a matched include: what matched in there. */
  readonly included?: SpfVerdict;
  /** `exp=` of the record in which a directive matched. */
  readonly explanation?: Modifier | undefined;
  /** Of none, temperror and permerror: a clause that can follow a semicolon or stand alone. */
  readonly problem?: string;
  /** No record at all, where an include or a redirect makes a permerror of it. */
  readonly missing?: true;
}

/** One sentence, without a full stop. `client`: the address; `domain`: the identity's. */
export function reasonOf(verdict: SpfVerdict, domain: string, client: string): string {
  const sentence = sentenceOf(verdict, domain, client);
  return shorten(sentence, reasonLengthMax);
}

/** A term or a name as it may stand in a reason. */
export function quoted(text: string): string {
  return shorten(text, quoteLengthMax);
}

function sentenceOf(verdict: SpfVerdict, domain: string, client: string): string {
  if (verdict.problem !== undefined) return verdict.problem;
  const place = recordOf(verdict, domain);
  const { directive, result } = verdict;
  if (directive === undefined) return `${client} matches nothing in ${place}, and there is no "all" in it`;
  if (directive.kind === "all") {
    if (result === "pass") return `${place} lets every host in the world send (${directive.text})`;
    return `${client} is not among the hosts that ${place} lists, which ends in ${directive.text}`;
  }
  const { included } = verdict;
  if (included === undefined) return `${client} matches ${quoted(directive.text)} in ${place}`;
  const inner = innermost(included);
  const match = inner.directive?.text ?? "";
  return `${client} matches ${quoted(match)} in the record of ${quoted(inner.domain)}, by ${quoted(directive.text)} in ${place}`;
}

function recordOf(verdict: SpfVerdict, domain: string): string {
  const record = `the record of ${quoted(verdict.domain)}`;
  return verdict.domain === domain ? record : `${record} (to which ${quoted(domain)} redirects)`;
}

function innermost(verdict: SpfVerdict): SpfVerdict {
  let inner = verdict;
  while (inner.included !== undefined) inner = inner.included;
  return inner;
}
