/**
 * Loaded into a server by `--import`: on SIGUSR2 it makes the trouble that TROUBLE names, from inside, where nothing
 * outside can. No part of the product knows of it.
 */
import { syncBuiltinESMExports } from "node:module";
import { existsSync, readFileSync } from "node:fs";
import threads from "node:worker_threads";

const trouble = process.env["TROUBLE"] ?? "";

if (threads.isMainThread) {
  const byName = new Map<string, threads.Worker>();
  threads.Worker = class extends threads.Worker {
    constructor(file: string | URL, options?: threads.WorkerOptions) {
      super(file, options);
      byName.set(options?.name ?? "", this);
    }
  };
  syncBuiltinESMExports();

  const now = Date.now.bind(Date);
  let aheadMs = 0;
  Date.now = () => now() + aheadMs;

  const kept: unknown[] = [];
  process.on("SIGUSR2", () => {
    const [what, argument = ""] = trouble.split(" ");
    if (what === "end-thread") void byName.get(argument)?.terminate();
    // The file says by how many milliseconds the system's clock is off.
    else if (what === "clock") aheadMs = Number(readFileSync(argument, "utf8"));
    else if (what === "block") blockWhile(argument);
    else if (what === "fill-heap") for (;;) kept.push(Array.from({ length: 10_000 }, () => ({ kept })));
  });
}

/** The event loop gets a turn every 600 ms, for as long as the file exists. */
function blockWhile(file: string): void {
  const endsAt = performance.now() + 600;
  while (performance.now() < endsAt);
  if (existsSync(file)) setTimeout(blockWhile, 1, file);
}
