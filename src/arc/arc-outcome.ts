/** What the Authenticated Received Chain of a message says (RFC 8617 §5.2), as a value. */
export interface ArcOutcome {
  readonly result: "none" | "pass" | "fail";
  /** A sentence for people. */
  readonly detail: string;
  /** i= of the newest set; 0 where there is none. */
  readonly instance: number;
  /** The cv= that the newest seal itself claims; a chain that says `fail` is not sealed again (RFC 8617 §5.1.2). */
  readonly newestSealSaysFail: boolean;
  /** With `pass`: the oldest instance whose AMS still verifies, 0 when all do (RFC 8617 §5.2 step 4). */
  readonly oldestPass?: number;
  /** d= of the seals, newest first. */
  readonly sealers: readonly string[];
  /** With `pass`: what each of them found on receipt, the value of its ARC-Authentication-Results behind `i=…;`. */
  readonly sealersFound?: readonly string[];
}
