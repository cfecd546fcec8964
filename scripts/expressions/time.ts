/**
 * Proves that a regular expression takes linear time on the engine that runs it, which backtracks: that no text can make it
 * try more than a bounded number of ways to each place. Where two ways go round on the same characters, the number grows with
 * the text (Weber and Seidl, "On the degree of ambiguity of finite automata"): of an expression that may begin anywhere, the
 * search for a place to begin is one of them, so `/\s+$/` is quadratic and `/\s+/` is not.
 *
 * What it proves holds for one search, and for a `g` search to the end of the text. It knows nothing of who calls it: a loop
 * that searches one text again from many places, or shortens it by a little each time, is the fuzzer's to find (`--probe`).
 */
import { anyStart, automatonOf, repeatsMore, type Automaton } from "./automaton.ts";
import { parseExpression } from "./syntax.ts";

export type TimeVerdict =
  | { readonly kind: "linear" }
  /** `pump`: repeated, and followed by what does not match, it makes the time grow faster than the text. */
  | { readonly kind: "superlinear"; readonly pump: string; readonly between: readonly [string, string] }
  | { readonly kind: "unknown"; readonly reason: string };

/** First with bounded repeats as unbounded ones, which is quick; what that cannot prove, with all of them written out. */
const expansions = [4, 100];
const stepsMax = 3_000_000;

export function timeOf(pattern: string, flags: string): TimeVerdict {
  // It looks at a bounded number of characters from each place.
  if (!repeatsMore(parseExpression(pattern, flags), 1)) return { kind: "linear" };
  let verdict: TimeVerdict = { kind: "unknown", reason: "nothing was tried" };
  for (const expandMax of expansions) {
    const automaton = automatonOf(pattern, flags, expandMax);
    // What the smaller automaton says stands where the larger one cannot be made.
    if (typeof automaton === "string")
      return verdict.kind === "superlinear" ? verdict : { kind: "unknown", reason: automaton };
    const found = new Search(automaton).verdict();
    if (found.kind === "linear") return found;
    if (found.kind === "superlinear" || verdict.kind !== "superlinear") verdict = found;
  }
  return verdict;
}

class Search {
  readonly #automaton: Automaton;
  readonly #circles: readonly number[];
  #steps = 0;

  constructor(automaton: Automaton) {
    this.#automaton = automaton;
    this.#circles = circlesOf(automaton);
  }

  verdict(): TimeVerdict {
    const { states } = this.#automaton;
    for (let from = 0; from < states.length; from++) {
      if (this.#circles[from] === -1) continue;
      for (const [to, ways] of states[from]?.follow ?? []) {
        const next = states[to];
        // Two empty ways to the same, within a circle: their number doubles with each turn.
        if (ways > 1 && this.#circles[to] === this.#circles[from] && next?.certain === false) {
          return { kind: "superlinear", pump: this.#sampleOf(next.takes), between: [next.source, next.source] };
        }
      }
      for (let to = 0; to < states.length; to++) {
        if (to === from || this.#circles[to] === -1 || states[to]?.certain === true) continue;
        const pump = this.#pumpOf(from, to);
        if (pump !== undefined) {
          const between = [
            from === anyStart ? "the place to begin" : (states[from]?.source ?? ""),
            states[to]?.source ?? "",
          ] as const;
          return { kind: "superlinear", pump, between };
        }
        if (this.#steps > stepsMax) return { kind: "unknown", reason: "it is too large to be tried" };
      }
    }
    return { kind: "linear" };
  }

  /** Characters that lead from `from` back to it, from `from` to `to`, and from `to` back to it, all three at once. */
  #pumpOf(from: number, to: number): string | undefined {
    const { states } = this.#automaton;
    const width = states.length;
    const keyOf = (a: number, b: number, c: number) => (a * width + b) * width + c;
    const goal = keyOf(from, to, to);
    const start = keyOf(from, from, to);
    const cameBy = new Map<number, readonly [previous: number, takes: number]>([[start, [-1, 0]]]);
    for (const key of cameBy.keys()) {
      const c = key % width;
      const b = Math.floor(key / width) % width;
      const a = Math.floor(key / width / width);
      for (const nextA of this.#within(a, from)) {
        for (const nextC of this.#within(c, to)) {
          const both = (states[nextA]?.takes ?? 0) & (states[nextC]?.takes ?? 0);
          if (both === 0) continue;
          for (const nextB of states[b]?.follow.keys() ?? []) {
            if (++this.#steps > stepsMax) return undefined;
            const takes = both & (states[nextB]?.takes ?? 0);
            const next = keyOf(nextA, nextB, nextC);
            if (takes === 0 || cameBy.has(next)) continue;
            cameBy.set(next, [key, takes]);
            if (next === goal) return this.#textTo(goal, cameBy);
          }
        }
      }
    }
    return undefined;
  }

  /** Followers of a state that lead back to `home`. */
  #within(state: number, home: number): number[] {
    const followers = [...(this.#automaton.states[state]?.follow.keys() ?? [])];
    return followers.filter((next) => this.#circles[next] === this.#circles[home]);
  }

  #textTo(goal: number, cameBy: ReadonlyMap<number, readonly [number, number]>): string {
    let text = "";
    for (let at = cameBy.get(goal); at !== undefined && at[1] !== 0; at = cameBy.get(at[0])) {
      text = this.#sampleOf(at[1]) + text;
    }
    return text;
  }

  #sampleOf(takes: number): string {
    return this.#automaton.samples.find((_, kind) => (takes & (1 << kind)) !== 0) ?? "";
  }
}

/** For each state a number that those share which lead to each other; -1 for one that never comes again. */
function circlesOf({ states }: Automaton): number[] {
  const reach = states.map((_, from) => {
    const reached = new Set<number>();
    const waiting = [from];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      for (const next of states[at]?.follow.keys() ?? []) {
        if (reached.has(next)) continue;
        reached.add(next);
        waiting.push(next);
      }
    }
    return reached;
  });
  return states.map((_, state) =>
    reach[state]?.has(state) === true
      ? states.findIndex((__, other) => reach[state]?.has(other) === true && reach[other]?.has(state) === true)
      : -1,
  );
}
