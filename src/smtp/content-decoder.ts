/**
 * The one decoder of what follows DATA (RFC 5321 §4.5.2): finds the end of data, takes away the dots of transparency, and
 * tells of bare line ends. The end is CRLF "." CRLF and nothing else, where the first CRLF may be that of DATA itself.
 *
 * Ordinary content passes through as views of what came in. Repair of bare line ends (for programs that submit) turns each
 * into CRLF in the content only: a repaired line end never begins an end of data, so repair cannot create one that was not
 * sent. Of two dots behind a bare LF one is dropped, since programs that send LF double the dot there (Python's smtplib);
 * a single one stays, since others do not (curl).
 *
 * The result depends on the octets alone, never on how they were cut into pieces.
 */
import { BareLineEndFinder, type BareLineEnd } from "./bare-line-ends.ts";

const cr = 0x0d;
const lf = 0x0a;
const dot = 0x2e;
const crlfDot = Buffer.from("\r\n.");

/**
 * Views handed out per call before the rest is copied together: a piece made of dotted lines only would otherwise become
 * thousands of tiny views.
 */
const viewsMax = 32;

/** What the octets before make of the next one. */
const State = {
  /** Behind CRLF, or at the very start. */
  lineStart: 0,
  /** Inside a line. */
  text: 1,
  /** Behind CR; the CR is handed out already. */
  cr: 2,
  /** Behind a dot at the start of a line, withheld. */
  dot: 3,
  /** Behind such a dot and CR, both withheld. */
  dotCr: 4,
  /** Behind a bare LF that was repaired. */
  lf: 5,
  /** Behind a bare LF and a dot, which is handed out already. */
  lfDot: 6,
  ended: 7,
} as const;
type State = (typeof State)[keyof typeof State];

export class ContentDecoder {
  readonly #repair: boolean;
  readonly #finder = new BareLineEndFinder();
  #state: State = State.lineStart;
  #size = 0;
  #firstBareCr: number | undefined;

  constructor(options: { readonly bareLineEnds: "refuse" | "repair" }) {
    this.#repair = options.bareLineEnds === "repair";
  }

  /** The end of data was read. */
  get ended(): boolean {
    return this.#state === State.ended;
  }

  /** Octets handed out so far. */
  get size(): number {
    return this.#size;
  }

  /** Kind of the first bare line end, repaired or not. */
  get bareLineEnd(): BareLineEnd | undefined {
    return this.#finder.first;
  }

  /** Where the first bare CR stands in the content that was handed out, once it is repaired. */
  get firstBareCr(): number | undefined {
    return this.#firstBareCr;
  }

  /**
   * Decodes `chunk` from `start`, adds the content to `slices`, and gives the index behind what it read: the length of the
   * chunk, or the place behind the end of data.
   */
  decode(chunk: Buffer, start: number, slices: Uint8Array[]): number {
    const before = this.#state;
    const sliceCount = slices.length;
    let end = this.#passThrough(chunk, start, slices);
    let copy = end === undefined;
    if (end !== undefined && (this.#repair || this.#finder.first === undefined)) {
      copy = this.#finder.scan(chunk, start, end) && this.#repair;
    }
    if (copy) {
      // Once more from the start, octet by octet.
      slices.length = sliceCount;
      this.#state = before;
      const scanned = end !== undefined;
      end = this.#copy(chunk, start, chunk.length, slices, this.#size);
      if (!scanned) this.#finder.scan(chunk, start, end);
    }
    for (let index = sliceCount; index < slices.length; index++) this.#size += slices[index]?.length ?? 0;
    return end ?? chunk.length;
  }

  /**
   * The fast way: everything between two dots at the start of a line is one view. Gives the index behind what it read, or
   * undefined where that would take too many views.
   */
  #passThrough(chunk: Buffer, start: number, slices: Uint8Array[]): number | undefined {
    const sliceCountMax = slices.length + viewsMax;
    let position = start;
    while (this.#state > State.text && position < chunk.length) {
      if (slices.length > sliceCountMax) return undefined;
      position = this.#copy(chunk, position, position + 1, slices);
      if (this.ended) return position;
    }
    while (position < chunk.length) {
      if (slices.length > sliceCountMax) return undefined;
      if (this.#state === State.lineStart && chunk[position] === dot) {
        const behindDot = stateBehindDot(chunk, position + 1);
        this.#state = behindDot;
        if (behindDot === State.ended) return position + 3;
        if (behindDot !== State.text) return chunk.length;
        position++;
      }
      const next = chunk.indexOf(crlfDot, position);
      const viewEnd = next === -1 ? chunk.length : next + 2;
      slices.push(chunk.subarray(position, viewEnd));
      this.#state = next === -1 ? stateBehind(chunk, position, this.#state) : State.lineStart;
      position = viewEnd;
    }
    return position;
  }

  /**
   * The slow way: every octet from `start` to `stop` through the table of states, into one copy. Gives the index behind
   * what it read, which is less than `stop` only at the end of data. `position`: where the copy stands in the content, if
   * this is the last reading of these octets.
   */
  #copy(chunk: Buffer, start: number, stop: number, slices: Uint8Array[], position?: number): number {
    // Repair makes two octets of one at most; a withheld CR and the repair of a CR of the piece before add one each.
    const out = Buffer.allocUnsafe(2 * (stop - start) + 2);
    let length = 0;
    let index = start;
    for (; index < stop && this.#state !== State.ended; index++) {
      const octet = chunk[index] ?? 0;
      if (this.#state === State.lineStart && octet === dot) {
        this.#state = State.dot;
        continue;
      }
      if (this.#state === State.dot && octet === cr) {
        this.#state = State.dotCr;
        continue;
      }
      if (this.#state === State.dotCr) {
        if (octet === lf) {
          this.#state = State.ended;
          continue;
        }
        out[length++] = cr;
        this.#state = State.cr;
      }
      if (this.#state === State.lfDot && octet === dot) {
        this.#state = State.text;
        continue;
      }
      const behindCr = this.#state === State.cr;
      if (octet === lf) {
        if (!behindCr && this.#repair) out[length++] = cr;
        out[length++] = lf;
        this.#state = behindCr ? State.lineStart : this.#repair ? State.lf : State.text;
      } else {
        if (behindCr && this.#repair) {
          if (position !== undefined) this.#firstBareCr ??= position + length - 1;
          out[length++] = lf;
        }
        out[length++] = octet;
        this.#state = octet === cr ? State.cr : this.#state === State.lf && octet === dot ? State.lfDot : State.text;
      }
    }
    if (length > 0) slices.push(out.subarray(0, length));
    return index;
  }
}

/** The state behind a dot at the start of a line, as far as the chunk tells; `text` if the dot is to be dropped. */
function stateBehindDot(chunk: Buffer, position: number): State {
  if (position === chunk.length) return State.dot;
  if (chunk[position] !== cr) return State.text;
  if (position + 1 === chunk.length) return State.dotCr;
  return chunk[position + 1] === lf ? State.ended : State.text;
}

/** The state at the end of a chunk that holds no dot of transparency from `start` on; `before` is that at `start`. */
function stateBehind(chunk: Buffer, start: number, before: State): State {
  const last = chunk.length - 1;
  if (chunk[last] === cr) return State.cr;
  if (chunk[last] !== lf) return State.text;
  if (last > start) return chunk[last - 1] === cr ? State.lineStart : State.text;
  return before === State.cr ? State.lineStart : State.text;
}
