/**
 * The automaton of a regular expression, one state for each character that it names (Glushkov's construction): the runs
 * that a backtracking engine may try are its paths.
 */
import { parseExpression, type Expression } from "./syntax.ts";

export interface State {
  /** As written; empty for the two starts. */
  readonly source: string;
  /** A bit for each kind of character that it takes; a kind is what the expression does not tell apart. */
  readonly takes: number;
  /** Once here, a match is certain whatever follows: no other way in will be tried. */
  readonly certain: boolean;
  /** How often each state follows: twice means two ways to try the same. */
  readonly follow: ReadonlyMap<number, number>;
}

export interface Automaton {
  readonly states: readonly State[];
  /** One character of each kind, by bit. */
  readonly samples: readonly string[];
  /** The bit of a character's kind; -1 for one that is of none of them. */
  kindOf(character: string): number;
}

/** Where a run can begin at any place of the text. */
export const anyStart = 0;
/** Where it can begin only at the start of the text. */
export const textStart = 1;

/** What remains to be matched, as a list that shares its tails. */
interface Rest {
  readonly head: Piece;
  readonly tail: Rest | undefined;
}
type Piece =
  | { readonly kind: "state"; readonly state: number }
  | { readonly kind: "split"; readonly ways: readonly (Rest | undefined)[] }
  /** Where a turn of a loop ends; `loop` is its split, where the next begins. */
  | { readonly kind: "turn"; readonly loop: Rest }
  | { readonly kind: "condition"; readonly atTextStart: boolean; readonly look: Rest | undefined }
  | { readonly kind: "dead" };

/** Of one expression; the longest here has some dozens of states and hundreds of ways. */
const waysMax = 20_000;
const statesMax = 400;
/** Bits of a number that stays positive. */
const kindsMax = 30;

/**
 * `expandMax`: bounded repeats up to so many are written out; larger ones become unbounded, which can only add ways to match.
 * @returns a reason where no automaton tells the time.
 */
export function automatonOf(pattern: string, flags: string, expandMax: number): Automaton | string {
  const builder = new Builder(flags.includes("m"), expandMax);
  const start = builder.rest(parseExpression(pattern, flags), undefined);
  if (builder.problem !== undefined) return builder.problem;
  const { takes, samples, kindOf } = kindsOf(builder.sources, flags);
  if (samples.length > kindsMax) return "it tells too many kinds of characters apart";
  const walk = new Walk();
  const anywhere = new Map<number, number>([[anyStart, 1]]);
  const atTextStart = new Map<number, number>();
  walk.from(start, (state, anchored) => count(anchored ? atTextStart : anywhere, state));
  const states: State[] = [
    { source: "", takes: -1, certain: false, follow: anywhere },
    { source: "", takes: 0, certain: false, follow: atTextStart },
  ];
  for (const [index, source] of builder.sources.entries()) {
    const follow = new Map<number, number>();
    const certain = walk.from(builder.afters[index], (state) => count(follow, state));
    states.push({ source, takes: takes[index] ?? 0, certain, follow });
  }
  return walk.exhausted ? "it has too many empty ways" : { states, samples, kindOf };
}

function count(map: Map<number, number>, state: number): void {
  map.set(state, (map.get(state) ?? 0) + 1);
}

/** Finds the states that can come next, once for each empty way to them. */
class Walk {
  #ways = 0;

  get exhausted(): boolean {
    return this.#ways > waysMax;
  }

  /** @returns whether the end can be reached on no condition. */
  from(rest: Rest | undefined, visit: (state: number, anchored: boolean) => void): boolean {
    /** Loops of which a turn has begun, and nothing was taken since. */
    const turning = new Set<Rest>();
    const begun = (loop: Rest, then: () => void) => {
      const nested = turning.has(loop);
      turning.add(loop);
      then();
      if (!nested) turning.delete(loop);
    };
    let certain = false;
    const go = (from: Rest | undefined, conditional: boolean, anchored: boolean): void => {
      if (++this.#ways > waysMax) return;
      if (from === undefined) {
        if (!conditional) certain = true;
        return;
      }
      switch (from.head.kind) {
        case "state":
          visit(from.head.state, anchored);
          return;
        case "split":
          for (const way of from.head.ways) begun(from, () => go(way, conditional, anchored));
          return;
        case "turn":
          // A turn that takes nothing is not tried (ECMA-262, RepeatMatcher).
          if (!turning.has(from.head.loop)) go(from.head.loop, conditional, anchored);
          return;
        case "condition":
          // What is looked at is walked over and does not move the match on.
          if (from.head.look !== undefined) go(from.head.look, true, anchored);
          go(from.tail, true, anchored || from.head.atTextStart);
          return;
        case "dead":
          return;
      }
    };
    go(rest, false, false);
    return certain;
  }
}

class Builder {
  readonly sources: string[] = [];
  /** By index of the source: what remains behind it. */
  readonly afters: (Rest | undefined)[] = [];
  problem: string | undefined;
  readonly #multiline: boolean;
  readonly #expandMax: number;

  constructor(multiline: boolean, expandMax: number) {
    this.#multiline = multiline;
    this.#expandMax = expandMax;
  }

  rest(node: Expression, tail: Rest | undefined): Rest | undefined {
    if (this.problem !== undefined) return tail;
    switch (node.kind) {
      case "character": {
        if (this.sources.length >= statesMax) this.problem = "it is too large";
        this.sources.push(node.source);
        this.afters.push(tail);
        return { head: { kind: "state", state: this.sources.length + 1 }, tail };
      }
      case "sequence":
        return node.parts.reduceRight<Rest | undefined>((rest, part) => this.rest(part, rest), tail);
      case "choice":
        return split(node.options.map((option) => this.rest(option, tail)));
      case "repeat":
        return this.#repeat(node, tail);
      case "assertion": {
        const atTextStart = node.source === "^" && !this.#multiline;
        return { head: { kind: "condition", atTextStart, look: undefined }, tail };
      }
      case "look": {
        if (node.behind && repeatsMore(node.body, Number.MAX_SAFE_INTEGER))
          this.problem = "it looks behind without a bound";
        const look = node.behind ? undefined : this.rest(node.body, { head: { kind: "dead" }, tail: undefined });
        return { head: { kind: "condition", atTextStart: false, look }, tail };
      }
      case "reference":
        this.problem = "it refers to what it matched before";
        return tail;
    }
  }

  #repeat({ body, min, max }: Expression & { kind: "repeat" }, tail: Rest | undefined): Rest | undefined {
    if (max <= Math.max(1, this.#expandMax)) {
      let rest = tail;
      for (let copy = max; copy > 0; copy--) {
        const once = this.rest(body, rest);
        rest = copy > min ? split([once, tail]) : once;
      }
      return rest;
    }
    if (min > 1) return this.#loop(body, this.rest(body, tail)).loop;
    const { loop, entry } = this.#loop(body, tail);
    return min === 1 ? entry : loop;
  }

  /** Both ways in: through the choice of leaving at once, and behind it. */
  #loop(body: Expression, tail: Rest | undefined): { readonly loop: Rest; readonly entry: Rest | undefined } {
    const ways: (Rest | undefined)[] = [];
    const loop: Rest = { head: { kind: "split", ways }, tail: undefined };
    const entry = this.rest(body, { head: { kind: "turn", loop }, tail: undefined });
    ways.push(entry, tail);
    return { loop, entry };
  }
}

function split(ways: readonly (Rest | undefined)[]): Rest {
  return { head: { kind: "split", ways }, tail: undefined };
}

/** Whether anything in it may come more than so often. */
export function repeatsMore(node: Expression, often: number): boolean {
  const more = (part: Expression) => repeatsMore(part, often);
  switch (node.kind) {
    case "repeat":
      return node.max > often || more(node.body);
    case "sequence":
      return node.parts.some(more);
    case "choice":
      return node.options.some(more);
    case "look":
      return more(node.body);
    case "character":
    case "assertion":
      return false;
    case "reference":
      return true;
  }
}

/** Above Latin: letters whose case is odd, blanks, line ends, marks, surrogates, an emoji. */
const farCharacters =
  "\u0301\u0391\u03c2\u0410\u05d0\u0660\u1680\u180e\u1e9e\u2000\u200b\u200e\u2028\u2029\u202e\u202f\u205f\u212a\u3000\u4e00\ufb01\ufdd0\ufeff\ufffd\uffff";

/** Which kinds of characters each source takes: those that no source tells apart are one kind. */
function kindsOf(sources: readonly string[], flags: string) {
  const distinct = [...new Set(sources)];
  const matchers = distinct.map((source) => new RegExp(`^(?:${source})$`, flags.replaceAll(/[dgmy]/g, "")));
  const characters = new Set([
    ...Array.from({ length: 0x250 }, (_, code) => String.fromCharCode(code)),
    ...farCharacters,
  ]);
  if (/[uv]/.test(flags)) for (const far of ["\u{1f600}", "\u{e0001}", "\u{10ffff}"]) characters.add(far);
  else for (const half of ["\ud83d", "\ude00"]) characters.add(half);
  for (const literal of sources.flatMap((source) => [...source])) characters.add(literal);
  const kinds = new Map<string, string>();
  const signatureOf = (character: string) => matchers.map((matcher) => (matcher.test(character) ? "1" : "0")).join("");
  for (const character of characters) {
    const signature = signatureOf(character);
    // A letter says more to a reader than a control character.
    if (!kinds.has(signature) || /^[a-z]$/.test(character)) kinds.set(signature, character);
  }
  const signatures = [...kinds.keys()];
  const takes = sources.map((source) => {
    const at = distinct.indexOf(source);
    return signatures.reduce((bits, signature, kind) => (signature.charAt(at) === "1" ? bits | (1 << kind) : bits), 0);
  });
  const known = new Map<string, number>();
  const kindOf = (character: string): number => {
    let kind = known.get(character);
    if (kind === undefined) known.set(character, (kind = signatures.indexOf(signatureOf(character))));
    return kind;
  };
  return { takes, samples: [...kinds.values()], kindOf };
}
