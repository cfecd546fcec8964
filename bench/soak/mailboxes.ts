/** Reads what was delivered to Maildirs and removes it, as a user's program would. */
import { readdirSync, readFileSync, unlinkSync } from "node:fs";
import path from "node:path";

export class Mailboxes {
  readonly #folder: string;
  readonly #came: (content: Buffer, report: boolean) => void;

  /** Maildirs of `folder`/user. */
  constructor(folder: string, came: (content: Buffer, report: boolean) => void) {
    this.#folder = folder;
    this.#came = came;
  }

  /** Everything that is there now. */
  empty(): void {
    for (const user of names(this.#folder)) {
      const fresh = path.join(this.#folder, user, "new");
      for (const name of names(fresh)) {
        const file = path.join(fresh, name);
        const content = readFileSync(file);
        this.#came(content, content.subarray(0, 15).equals(Buffer.from("Return-Path: <>")));
        unlinkSync(file);
      }
    }
  }
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Nothing was delivered there so far.
    return [];
  }
}
