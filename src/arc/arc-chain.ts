/**
 * The ARC fields of a message, read and put into sets (RFC 8617 §4).
 *
 * Owns the syntax of the three fields and what makes a chain whole (§5.2 steps 1 to 3); whether its signatures are good
 * is for the validator. Costs one pass over the fields of a message without ARC.
 */
import { domainKeyOf } from "../address/domain.ts";
import type { Signature, SignatureProblem } from "../dkim/signature-field.ts";
import { readSignatureTags } from "../dkim/signature-field.ts";
import { colonList, parseTagList } from "../dkim/tag-list.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { Instant } from "../lib/instant.ts";
import type { HeaderField, HeaderSection } from "../message/header-section.ts";
import { ResultsCursor } from "../message/results-cursor.ts";

/** RFC 8617 §4.2.1. */
export const instancesMax = 50;
/**
 * Fifty sets of ordinary size have 125 KB. Each seal covers all sets before it, so this bounds what all of them together
 * cover to 7 MB, 10 ms of a core.
 */
const arcBytesMax = 256 * 1024;

export interface ArcSet {
  readonly instance: number;
  /** ARC-Authentication-Results. */
  readonly results: HeaderField;
  /** Value of `results` behind its `i=…;`. */
  readonly resultsValue: string;
  readonly message: HeaderField;
  readonly messageSignature: Signature | SignatureProblem;
  readonly seal: HeaderField;
  readonly sealSignature: Signature | SignatureProblem;
}

export interface ArcChain {
  readonly kind: "none" | "whole" | "broken";
  /** A sentence for people: why the chain is broken; "" where it is not. */
  readonly detail: string;
  /** 1 to N; of a broken chain none. */
  readonly sets: readonly ArcSet[];
  /** The highest instance that any field claims, whole chain or not; 0 for none. */
  readonly instance: number;
  readonly newestSealSaysFail: boolean;
  /** d= of the seals that could be read, newest first. */
  readonly sealers: readonly string[];
}

const noChain: ArcChain = {
  kind: "none",
  detail: "",
  sets: [],
  instance: 0,
  newestSealSaysFail: false,
  sealers: [],
};

export function readChain(header: HeaderSection, now: Instant): ArcChain {
  const fields = header.fields.filter(({ name }) => name.startsWith("arc-") && kinds.has(name));
  return fields.length === 0 ? noChain : new ChainReader(now).read(fields);
}

type FieldKind = "results" | "message" | "seal";
const kinds: ReadonlyMap<string, FieldKind> = new Map([
  ["arc-authentication-results", "results"],
  ["arc-message-signature", "message"],
  ["arc-seal", "seal"],
]);
const names: { readonly [K in FieldKind]: string } = {
  results: "ARC-Authentication-Results",
  message: "ARC-Message-Signature",
  seal: "ARC-Seal",
};

interface ReadField {
  readonly field: HeaderField;
  readonly instance: number;
  /** Of a seal or message signature. */
  readonly tags: ReadonlyMap<string, string>;
  /** Of the results, behind `i=…;`. */
  readonly value: string;
}

class ChainReader {
  readonly #now: Instant;
  readonly #found: { readonly [K in FieldKind]: Map<number, ReadField> } = {
    results: new Map(),
    message: new Map(),
    seal: new Map(),
  };
  #instance = 0;

  constructor(now: Instant) {
    this.#now = now;
  }

  read(fields: readonly HeaderField[]): ArcChain {
    const broken = this.#collect(fields) ?? this.#checkSets();
    if (broken !== undefined) return this.#chain("broken", broken, []);
    const sets: ArcSet[] = [];
    for (let instance = 1; instance <= this.#instance; instance++) {
      const set = this.#set(instance);
      if (set === undefined) return this.#chain("broken", `Set ${instance} of the ARC chain is not complete`, []);
      sets.push(set);
    }
    return this.#chain("whole", "", sets);
  }

  /** Text: what is wrong. Reads on behind the first error, since the highest instance counts in any case. */
  #collect(fields: readonly HeaderField[]): string | undefined {
    let broken: string | undefined;
    let octets = 0;
    for (const field of fields) {
      octets += field.end - field.start;
      if (octets > arcBytesMax) return broken ?? "The ARC fields are larger than any chain has to be";
      const kind = kinds.get(field.name) ?? "results";
      const read = kind === "results" ? readResults(field) : readTags(field);
      if (read === undefined) {
        broken ??= `A field ${names[kind]} cannot be read`;
        continue;
      }
      this.#instance = Math.max(this.#instance, read.instance);
      if (this.#found[kind].has(read.instance)) {
        broken ??= `There are several fields ${names[kind]} for set ${read.instance}`;
      }
      this.#found[kind].set(read.instance, read);
    }
    return broken;
  }

  /** RFC 8617 §5.2, steps 1 to 3, in the order of what tells people most. */
  #checkSets(): string | undefined {
    if (this.#instance > instancesMax) return `The ARC chain has more than ${instancesMax} sets`;
    if (this.#newestSealSaysFail()) return "The newest ARC seal says itself that the chain had failed";
    for (let instance = 1; instance <= this.#instance; instance++) {
      const missing = (["results", "message", "seal"] as const).find((kind) => !this.#found[kind].has(instance));
      if (missing !== undefined) return `Set ${instance} of the ARC chain has no ${names[missing]}`;
      const validation = this.#validationOf(instance);
      const wanted = instance === 1 ? "none" : "pass";
      if (validation !== wanted) return `The seal of set ${instance} should say cv=${wanted}`;
    }
    return undefined;
  }

  #set(instance: number): ArcSet | undefined {
    const results = this.#found.results.get(instance);
    const message = this.#found.message.get(instance);
    const seal = this.#found.seal.get(instance);
    if (results === undefined || message === undefined || seal === undefined) return undefined;
    return {
      instance,
      results: results.field,
      resultsValue: results.value,
      message: message.field,
      messageSignature: readMessageSignature(message.tags, this.#now),
      seal: seal.field,
      sealSignature: readSeal(seal.tags, this.#now),
    };
  }

  #chain(kind: ArcChain["kind"], detail: string, sets: readonly ArcSet[]): ArcChain {
    const seals = [...this.#found.seal.values()].toSorted((left, right) => right.instance - left.instance);
    return {
      kind,
      detail,
      sets,
      instance: this.#instance,
      newestSealSaysFail: this.#newestSealSaysFail(),
      sealers: seals.slice(0, instancesMax).map(({ tags }) => domainKeyOf(tags.get("d") ?? "") ?? ""),
    };
  }

  #newestSealSaysFail(): boolean {
    return this.#validationOf(this.#instance) === "fail";
  }

  /** The name of the tag is case-sensitive, its value is not (RFC 8617 §3.9). */
  #validationOf(instance: number): string | undefined {
    const written = this.#found.seal.get(instance)?.tags.get("cv");
    return written === undefined ? undefined : asciiLowerCase(written);
  }
}

/** `i=1; host; …`: the instance comes first (RFC 8617 §4.1.1), comments may be around it. */
function readResults(field: HeaderField): ReadField | undefined {
  const cursor = new ResultsCursor(field.value);
  cursor.skipBlanks();
  if (cursor.takePattern(/i/y) === undefined) return undefined;
  cursor.skipBlanks();
  if (!cursor.takeSign("=")) return undefined;
  cursor.skipBlanks();
  const instance = instanceOf(cursor.takePattern(/\d+/y));
  cursor.skipBlanks();
  if (instance === undefined || !cursor.takeSign(";")) return undefined;
  return { field, instance, tags: new Map(), value: cursor.rest.trim() };
}

function readTags(field: HeaderField): ReadField | undefined {
  const tags = parseTagList(field.value);
  const instance = instanceOf(tags?.get("i"));
  return tags === undefined || instance === undefined ? undefined : { field, instance, tags, value: "" };
}

/** One or two digits (RFC 8617 §3.9). Above 50 it is read, so that a chain that is too long is seen as such. */
function instanceOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^(?:\d{1,2}|[1-9]\d{2,3})$/.test(text)) return undefined;
  const instance = Number(text);
  return instance === 0 ? undefined : instance;
}

/**
 * A DKIM signature but for the version, which does not count, and i=, which means something else (RFC 8617 §4.1.2).
 * One that covers a seal is not valid: seals are added above it later. The other ARC fields it must not cover either,
 * but some do, harmlessly, and the published tests have them pass.
 */
function readMessageSignature(tags: ReadonlyMap<string, string>, now: Instant): Signature | SignatureProblem {
  const signature = new Map(tags).set("v", "1");
  signature.delete("i");
  if (colonList(tags.get("h") ?? "")?.some((name) => asciiLowerCase(name) === "arc-seal") === true) {
    return problem("arc-seal-signed", "h= names ARC-Seal");
  }
  return readSignatureTags(signature, now);
}

/** A signature whose h= and bh= the standard itself gives (RFC 8617 §4.1.3, §5.1.1): they stand here for those. */
function readSeal(tags: ReadonlyMap<string, string>, now: Instant): Signature | SignatureProblem {
  if (tags.has("h")) return problem("seal-has-h", "a seal has no h=");
  const signature = new Map([
    ["v", "1"],
    ["c", "relaxed/relaxed"],
    ["h", "from"],
    ["bh", noBodyHash],
  ]);
  for (const name of ["a", "b", "d", "s", "t"]) {
    const value = tags.get(name);
    if (value !== undefined) signature.set(name, value);
  }
  return readSignatureTags(signature, now);
}

const noBodyHash = Buffer.alloc(32).toString("base64");

function problem(reason: string, detail: string): SignatureProblem {
  const about = { domain: "", selector: "", algorithm: "", signatureStart: "" };
  return { kind: "problem", about, result: "permerror", reason, detail };
}
