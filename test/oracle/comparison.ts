/** One case, judged twice. */
import type { Choices } from "./choices.ts";
import type { KnownDifference } from "./known-differences.ts";

export interface Comparison {
  readonly ours: string;
  readonly theirs: string;
  /** What both were given, and their reasons: enough to understand the difference. */
  readonly input: () => string;
  /** Where they differ: the known reason, if it is one. */
  readonly known?: KnownDifference | undefined;
}

export type Oracle = (choices: Choices) => Promise<Comparison>;
