/** What node:fs throws, as the port has it. */
import { FileError } from "../../ports/files.ts";

export function fileError(error: unknown): FileError {
  if (error instanceof FileError) return error;
  const cause = error as NodeJS.ErrnoException;
  return new FileError(cause.code ?? "EIO", cause.message, { cause });
}
