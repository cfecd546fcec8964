/**
 * Mutants that survive and may: nobody could tell them from the original, or telling would be worth less than the test. Each
 * is found by its file, the line it is on, and the change; the reason is for whoever reads the list.
 */
export interface Argued {
  readonly file: string;
  readonly lineText: string;
  readonly before: string;
  readonly after: string;
  readonly why: string;
}

export const argued: readonly Argued[] = [];
