/** Exit codes as in sysexits.h; scripts may rely on them. */
export const ExitCode = {
  ok: 0,
  /** The command line was wrong. */
  usage: 64,
  /** What was given to work on was wrong, or was refused permanently. */
  data: 65,
  noUser: 67,
  /** A server or service is not there. */
  unavailable: 69,
  /** A bug. */
  software: 70,
  /** Refused for now; the same may work later. */
  tryLater: 75,
  /** A login was refused. */
  noPermission: 77,
  config: 78,
  /** Ctrl-C, as shells count it. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Ends a command with a sentence on stderr. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: ExitCode;
  /** What to do about it; told on a line of its own. */
  readonly hint: string | undefined;

  constructor(exitCode: ExitCode, message: string, hint?: string) {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

export function usageError(message: string, hint?: string): CliError {
  return new CliError(ExitCode.usage, message, hint);
}
