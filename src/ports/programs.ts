/** Other programs and temporary folders, as far as a command needs them. */

/** Codes as shells count them. `not-started`: there is no such program, or it may not be run. */
export type ProgramEnd =
  | { readonly kind: "ended"; readonly code: number }
  | { readonly kind: "not-started"; readonly code: 126 | 127; readonly reason: string };

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}
