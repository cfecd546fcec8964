/** Runs a program of the operator's and waits for its end: bounded in time, in what it says, and in what it is told. */
import { execFile } from "node:child_process";

/** A hook may wait until all DNS servers of a domain have a record. */
const timeoutMs = 600_000;
const outputBytesMax = 65_536;
const wordsMax = 500;

/** Without a shell. Rejects with what the program wrote to standard error, if it fails. */
export function runHook([program = "", ...args]: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { timeout: timeoutMs, maxBuffer: outputBytesMax, killSignal: "SIGKILL" } as const;
    execFile(program, args, options, (error, _stdout, stderr) => {
      if (error === null) return resolve();
      const said = stderr.trim().slice(0, wordsMax);
      const how = error.killed === true ? "took too long or said too much" : `failed (${String(error.code)})`;
      reject(new Error(`${program} ${how}${said === "" ? "" : `: ${said}`}`));
    });
  });
}
