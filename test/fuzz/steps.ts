/**
 * Counts the steps that code of src/ takes, the same number for the same input on any machine: each block that runs is one,
 * and what a built-in walks over is counted by its length. So what grows faster than its input is found without a clock.
 */
import { automatonOf, anyStart, textStart, type Automaton } from "../../scripts/expressions/automaton.ts";
import { timeOf } from "../../scripts/expressions/time.ts";
import { instrument } from "./coverage.ts";

/** Thrown out of the code that is counted, as soon as it has taken more steps than it may. */
export class TooManySteps extends Error {}

export class StepCounter {
  steps = 0;
  limit = Number.POSITIVE_INFINITY;
  /** Where in src/ the last call passed its limit. */
  where: string | undefined;
  #counting = false;

  /** Called by the modules, and by the built-ins. */
  readonly over = (): void => {
    if (!this.#counting) return;
    const error = new TooManySteps(`more than ${this.limit} steps`);
    this.#counting = false;
    this.where ??= placeIn(error.stack ?? "");
    this.#counting = true;
    throw error;
  };

  /** Adds what `cost` says, which may use anything itself. */
  add(cost: () => number): void {
    if (!this.#counting) return;
    this.#counting = false;
    const before = this.steps;
    try {
      this.steps = before + cost();
    } finally {
      this.#counting = true;
    }
    if (this.steps > this.limit) this.over();
  }

  /** Steps of one call; `limit` where it takes more. What it throws otherwise is passed on. */
  async count(run: () => void | Promise<void>, limit: number): Promise<number> {
    this.steps = 0;
    this.where = undefined;
    this.limit = limit;
    this.#counting = true;
    try {
      await run();
    } catch (error) {
      // Code of src/ may have caught it and thrown another.
      if (this.steps <= limit) throw error;
    } finally {
      this.#counting = false;
    }
    return Math.min(this.steps, limit);
  }
}

/** The innermost calls in src/. */
function placeIn(stack: string): string {
  const calls = [...stack.matchAll(/at (?:\w+ )?([\w.#<>[\] ]+) \([^()]*\/(src\/[\w./-]+:\d+):\d+\)/g)];
  return calls
    .slice(0, 3)
    .map(([, name, place]) => `${name} (${place})`)
    .join(" < ");
}

/** Those that read a stranger's octets, or the configuration. */
const libraries = /\/node_modules\/(?:dns-packet|postal-mime|toml-eslint-parser)\/.*\.[cm]?js$/;

/** From here on, modules of `src/` that are loaded count, and so do built-ins. */
export function countSteps(): StepCounter {
  const counter = new StepCounter();
  Object.assign(globalThis, { stepCounter: counter });
  const count = () => "++tally$.steps>tally$.limit&&tally$.over()";
  instrument("const tally$=globalThis.stepCounter;", count, libraries);
  countBuiltIns(counter);
  countExpressions(counter);
  return counter;
}

type Cost = (self: unknown, args: readonly unknown[], result: unknown) => number;

const lengthOf = (value: unknown): number => Number((value as { readonly length?: unknown } | null)?.length ?? 0) || 0;
const ofWhole: Cost = (self) => lengthOf(self);
const ofArgument: Cost = (_self, [first]) => lengthOf(first);
const ofResult: Cost = (_self, _args, result) => lengthOf(result);
/** Forwards to what was found, or to the end. */
const ofSearch: Cost = (self, args, result) => {
  const from = typeof args[1] === "number" && args[1] > 0 ? args[1] : 0;
  const end = typeof result === "number" && result >= 0 ? result : lengthOf(self);
  return Math.max(0, end - from);
};
const ofBackwardSearch: Cost = (self, args, result) => {
  const from = typeof args[1] === "number" && args[1] >= 0 ? Math.min(args[1] + 1, lengthOf(self)) : lengthOf(self);
  return Math.max(0, from - Math.max(0, Number(result)));
};
/** `includes` tells not where. */
const ofInclusion: Cost = (self, args, result) =>
  result === true ? ofSearch(self, args, Reflect.apply(indexOf(self), self, args)) : ofSearch(self, args, -1);
const ofTrimming: Cost = (self, _args, result) => lengthOf(self) - lengthOf(result);

const stringIndexOf = String.prototype.indexOf;
const arrayIndexOf = Array.prototype.indexOf;
const bufferIndexOf = Buffer.prototype.indexOf;
const indexOf = (self: unknown) =>
  typeof self === "string" ? stringIndexOf : Array.isArray(self) ? arrayIndexOf : bufferIndexOf;

/** What walks over more than a place or two; a call itself is within a block that counts. */
const builtIns: readonly (readonly [object, Readonly<Record<string, Cost>>])[] = [
  [String.prototype, {
    indexOf: ofSearch, includes: ofInclusion, lastIndexOf: ofBackwardSearch, split: ofWhole, replace: ofWhole, replaceAll: ofWhole,
    trim: ofTrimming, trimStart: ofTrimming, trimEnd: ofTrimming, toLowerCase: ofWhole, toUpperCase: ofWhole, normalize: ofWhole,
    isWellFormed: ofWhole, toWellFormed: ofWhole, repeat: ofResult, padStart: ofResult, padEnd: ofResult,
  }],
  [Array.prototype, {
    indexOf: ofSearch, includes: ofInclusion, lastIndexOf: ofBackwardSearch, shift: ofWhole, unshift: ofWhole, splice: ofWhole,
    slice: ofResult, concat: ofResult, join: ofWhole, reverse: ofWhole, toReversed: ofWhole, flat: ofResult,
  }],
  [Array, { from: ofResult }],
  [Uint8Array.prototype, { set: ofArgument, slice: ofResult, fill: ofWhole }],
  [Buffer.prototype, {
    indexOf: ofSearch, includes: ofInclusion, lastIndexOf: ofBackwardSearch, equals: ofArgument, compare: ofArgument, toString: ofResult,
    copy: (_self, _args, result) => Number(result), latin1Slice: ofResult, utf8Slice: ofResult, asciiSlice: ofResult,
  }],
  [Buffer, { concat: ofResult, from: ofResult }],
  [JSON, { parse: ofArgument, stringify: ofResult }],
  [TextDecoder.prototype, { decode: ofArgument }],
]; // prettier-ignore

function countBuiltIns(counter: StepCounter): void {
  for (const [owner, methods] of builtIns) {
    for (const [name, cost] of Object.entries(methods)) {
      const original: unknown = Reflect.get(owner, name);
      // Faster calls of Buffer are there in some versions only.
      if (typeof original !== "function") continue;
      const counted = function (this: unknown, ...args: unknown[]): unknown {
        const before = cost === ofWhole ? lengthOf(this) : 0;
        const result: unknown = Reflect.apply(original, this, args);
        counter.add(() => (cost === ofWhole ? before : cost(this, args, result)));
        return result;
      };
      Object.defineProperty(owner, name, { value: counted, writable: true, configurable: true });
    }
  }
}

/** All that searches by an expression comes through `exec`, once it is not the engine's own (ECMA-262, RegExpExec). */
function countExpressions(counter: StepCounter): void {
  const { exec } = RegExp.prototype;
  const walked = new Map<string, ExpressionWalk>();
  const counted = function (this: RegExp, text: string): RegExpExecArray | null {
    const from = this.global || this.sticky ? this.lastIndex : 0;
    const match = Reflect.apply(exec, this, [text]) as RegExpExecArray | null;
    counter.add(() => {
      const key = `${this.flags}/${this.source}`;
      let walk = walked.get(key);
      if (walk === undefined) walked.set(key, (walk = new ExpressionWalk(this.source, this.flags)));
      return walk.steps(text, from, match, counter.limit - counter.steps);
    });
    return match;
  };
  Object.defineProperty(RegExp.prototype, "exec", { value: counted, writable: true, configurable: true });
}

/** How far an expression looks. */
class ExpressionWalk {
  readonly #automaton: Automaton | undefined;
  /** From one place only: its start, or where it sticks. */
  readonly #fixed: boolean;
  readonly #linear: boolean;

  constructor(source: string, flags: string) {
    const automaton = automatonOf(source, flags, 4);
    this.#automaton = typeof automaton === "string" ? undefined : automaton;
    const atAnyPlace = this.#automaton?.states[anyStart]?.follow.size ?? 2;
    this.#fixed = flags.includes("y") || atAnyPlace === 1;
    // What could not be proven is listed with a reason (scripts/expressions/accepted.ts).
    this.#linear = timeOf(source, flags).kind !== "superlinear";
  }

  /** About; no more than what is of interest, `most`, is counted. */
  steps(text: string, from: number, match: RegExpExecArray | null, most: number): number {
    // What was found ends the search, and a linear expression looks no more than a bounded part further.
    if (match !== null && this.#linear) return match.index + match[0].length - from + 1;
    if (this.#fixed) return this.#walk(text, from) + 1;
    const end = match === null ? text.length : match.index + 1;
    if (this.#linear) return Math.max(0, end - from) + 1;
    let steps = 1;
    for (let start = from; start < end && steps <= most; start++) steps += this.#walk(text, start) + 1;
    return steps;
  }

  /** Characters read from one place before no way is left. */
  #walk(text: string, from: number): number {
    const automaton = this.#automaton;
    if (automaton === undefined) return text.length - from;
    let alive = new Set<number>([anyStart, ...(from === 0 ? [textStart] : [])]);
    for (let at = from; at < text.length; at++) {
      const kind = automaton.kindOf(text.charAt(at));
      const next = new Set<number>();
      for (const state of alive) {
        for (const follower of automaton.states[state]?.follow.keys() ?? []) {
          if (follower !== anyStart && ((automaton.states[follower]?.takes ?? 0) & (1 << kind)) !== 0)
            next.add(follower);
        }
      }
      if (next.size === 0) return at - from;
      alive = next;
    }
    return text.length - from;
  }
}
