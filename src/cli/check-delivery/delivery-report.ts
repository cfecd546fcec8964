/** What `check delivery` prints: each step with its time, and one sentence at the end. */
import { printable } from "../../lib/printable-text.ts";
import { sentence as ended } from "../../lib/sentence.ts";
import type { ConnectionStep } from "../../outbound/connection-steps.ts";
import type { TextOutput } from "../context.ts";
import type { Style } from "../style.ts";
import type { LookUpStep } from "./recorded-look-ups.ts";

/** What was found between look-ups and connections: a policy of a host, or something that the server would log. */
export interface PolicyStep {
  readonly step: "policy";
  readonly status: "ok" | "failed" | "note";
  readonly host?: string;
  readonly ms: 0;
  readonly text: string;
}

export type DeliveryStep = LookUpStep | PolicyStep | ConnectionStep;

export interface DeliveryVerdict {
  readonly result: "accepted" | "deferred" | "bounced" | "local";
  /** Of the server that decided, or ours. */
  readonly status: string | null;
  readonly sentence: string;
}

/** Shows steps as they happen. */
export class DeliveryScreen {
  readonly #out: Pick<TextOutput, "write">;
  readonly #style: Style;
  #place = "";

  constructor(out: Pick<TextOutput, "write">, style: Style) {
    this.#out = out;
    this.#style = style;
  }

  step(step: DeliveryStep): void {
    const place = "address" in step ? `${step.host} [${step.address}]` : "";
    // A farewell may arrive when the next connection is under way.
    const elsewhere = step.step === "quit" && place !== this.#place ? ` (${place})` : "";
    if (elsewhere === "" && place !== this.#place) {
      this.#place = place;
      this.#out.write(`\n${this.#style.bold(place)}\n`);
    }
    const mark = marks[step.status];
    const paint = this.#style[mark.colour];
    const host = step.step === "policy" && step.host !== undefined ? `${step.host}: ` : "";
    const text = `${host}${step.text}${elsewhere}`;
    const time = `${step.ms < 10 ? step.ms.toFixed(1) : Math.round(step.ms)} ms`;
    const shownTime = step.step === "policy" || step.step === "certificate" ? "" : time;
    this.#out.write(
      `${paint(mark.word)}  ${step.step.padEnd(14)}  ${this.#style.dim(shownTime.padStart(9))}  ${printable(text)}\n`,
    );
  }

  verdict({ result, sentence }: DeliveryVerdict): void {
    const paint = this.#style[verdictColours[result]];
    this.#out.write(`\n${paint(printable(ended(sentence)))}\n`);
  }
}

const marks = {
  ok: { word: "ok    ", colour: "green" },
  failed: { word: "failed", colour: "red" },
  note: { word: "note  ", colour: "yellow" },
} as const;

const verdictColours = { accepted: "green", local: "green", deferred: "yellow", bounced: "red" } as const;
