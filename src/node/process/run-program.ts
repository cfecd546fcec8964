/** Runs another program in the foreground, for `posthaste dev -- PROGRAM`. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { ProgramEnd } from "../../ports/programs.ts";

export interface RunOptions {
  /** Added to this process's own. */
  readonly environment: Readonly<Record<string, string>>;
  /** Its end asks the program to stop, by SIGTERM; a terminal's Ctrl-C has reached the program by itself. */
  readonly interrupted: AbortSignal;
}

/** Codes as shells count them: 128 and the number of a signal, 127 for no such program, 126 for one that may not be run. */
export function runProgram(
  [command = "", ...args]: readonly string[],
  { environment, interrupted }: RunOptions,
): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: "inherit", env: { ...process.env, ...environment } });
    const stop = () => {
      if (!(process.stdin.isTTY && /SIGINT/.test(String(interrupted.reason)))) child.kill("SIGTERM");
    };
    if (interrupted.aborted) stop();
    else interrupted.addEventListener("abort", stop, { once: true });
    const done = (end: ProgramEnd) => {
      interrupted.removeEventListener("abort", stop);
      resolve(end);
    };
    child.once("error", ({ code, message }: NodeJS.ErrnoException) => {
      done({ kind: "not-started", code: code === "ENOENT" ? 127 : 126, reason: message });
    });
    child.once("exit", (code, signal) => {
      done({ kind: "ended", code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]) });
    });
  });
}
