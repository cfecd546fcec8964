/**
 * Where the mail of a simulated machine is kept. Most seeds have the memory spool with a journal on the simulated disk,
 * which can be hurt. A share of them has the SQLite spool of real servers, in a real folder: its threads take real time,
 * during which simulated time stands still, and one call is made after the other. So those seeds give one run, too. The
 * disk below them never fails, and loses nothing with the power.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { NodeFiles } from "../../src/node/files/node-files.ts";
import { openSqliteSpool } from "../../src/node/spool/open-sqlite-spool.ts";
import type { SqliteSpool } from "../../src/node/spool/sqlite-spool.ts";
import type { Spool } from "../../src/spool/spool.ts";
import type { Incarnation } from "../../src/testing/incarnation.ts";

export class SqliteStore {
  #folder: Promise<string> | undefined;
  #open: SqliteSpool | undefined;
  /** Calls, one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #underWay = 0;

  /** Resolves when nothing takes real time any more. */
  async quiet(): Promise<void> {
    while (this.#underWay > 0) {
      await this.#last;
      // Whoever hears of the answer goes on, and perhaps asks for more.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** The spool of one life; that of the life before, which may have been killed, is let go. */
  async open(life: Incarnation): Promise<Spool> {
    return await this.inTurn(async () => {
      await this.#open?.close();
      this.#folder ??= mkdtemp(path.join(tmpdir(), "posthaste-simulation-"));
      const { clock, log } = life;
      this.#open = await openSqliteSpool({ directory: await this.#folder, clock, log, files: new NodeFiles() });
      await this.#open.checked;
      return this.#open;
    });
  }

  async inTurn<T>(call: () => Promise<T>): Promise<T> {
    this.#underWay++;
    const done = this.#last.then(call);
    this.#last = done.catch(() => undefined);
    try {
      return await done;
    } finally {
      this.#underWay--;
    }
  }

  async remove(): Promise<void> {
    await this.#last;
    await this.#open?.close();
    if (this.#folder !== undefined) await rm(await this.#folder, { recursive: true, force: true });
  }
}
