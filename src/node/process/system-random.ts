/** Chance from the operating system. */
import { randomBytes } from "node:crypto";

import type { Random } from "../../ports/random.ts";

export class SystemRandom implements Random {
  /** Not for secrets: use {@link bytes}. */
  next(): number {
    return Math.random();
  }

  bytes(length: number): Uint8Array {
    return randomBytes(length);
  }
}
