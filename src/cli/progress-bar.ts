/** A progress bar with rate and time left, on stderr and only on a terminal. */
import type { CliContext } from "./context.ts";
import { type Style, styleFor } from "./style.ts";
import { span } from "./words.ts";

/** Often enough to look alive; more would only cost. */
const redrawMs = 100;

export class ProgressBar {
  readonly #context: CliContext;
  readonly #style: Style;
  readonly #total: number;
  readonly #shown: boolean;
  readonly #startedAt: number;
  #drawnAt: number;
  #text = "";

  constructor(context: CliContext, options: { readonly total: number; readonly shown: boolean }) {
    this.#context = context;
    this.#style = styleFor(context.stderr, context.environment);
    this.#total = options.total;
    this.#shown = options.shown && context.stderr.isTerminal;
    this.#startedAt = context.clock.monotonicMs();
    this.#drawnAt = this.#startedAt;
  }

  step(counts: { readonly accepted: number; readonly refused: number }): void {
    const now = this.#context.clock.monotonicMs();
    if (!this.#shown || now - this.#drawnAt < redrawMs) return;
    this.#drawnAt = now;
    this.#text = progressText({ ...counts, total: this.#total, ms: now - this.#startedAt, style: this.#style });
    this.#context.stderr.write(`\r\x1b[K${this.#text}`);
  }

  /** Clears the line: the summary says it all. */
  finish(): void {
    if (this.#text !== "") this.#context.stderr.write("\r\x1b[K");
  }
}

const barWidth = 28;

export function progressText(state: {
  readonly accepted: number;
  readonly refused: number;
  readonly total: number;
  readonly ms: number;
  readonly style: Style;
}): string {
  const { accepted, refused, total, ms, style } = state;
  const done = accepted + refused;
  const filled = Math.min(barWidth, Math.floor((done / total) * barWidth));
  const rate = ms > 0 ? (done / ms) * 1000 : 0;
  const left = rate > 0 ? span(((total - done) / rate) * 1000) : "?";
  const bad = refused > 0 ? `  ${style.red(`${refused} not accepted`)}` : "";
  return `${style.cyan("█".repeat(filled))}${style.dim("░".repeat(barWidth - filled))} ${done}/${total}  ${Math.round(rate)}/s  ${left} left${bad}`;
}
