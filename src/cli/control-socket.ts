/** Where a server takes commands: a unix socket in its data directory. The system bounds the length of its path. */
import { join } from "node:path";
import { CliError, ExitCode } from "./exit-code.ts";

/** `sun_path` has 108 octets on Linux, 104 on macOS and the BSDs, one of them for the end. */
export const socketPathMax = process.platform === "linux" ? 107 : 103;

export function controlSocketOf(dataDir: string): string {
  return join(dataDir, "control.sock");
}

/** What is wrong with the length; undefined when nothing is. */
export function socketPathProblem(dataDir: string): string | undefined {
  const path = controlSocketOf(dataDir);
  const octets = Buffer.byteLength(path);
  if (octets <= socketPathMax) return undefined;
  return `${path} is ${octets} octets long, but the path of a socket may have at most ${socketPathMax}: choose a data directory with a shorter path`;
}

/** The path of the socket; throws {@link CliError} where the system cannot have one. */
export function usableControlSocket(dataDir: string): string {
  const problem = socketPathProblem(dataDir);
  if (problem !== undefined) throw new CliError(ExitCode.unavailable, problem);
  return controlSocketOf(dataDir);
}
