/** How many files, sockets among them, the system lets this process have open. */
import type { Files } from "../../ports/files.ts";

/** undefined where the system does not say (it does on Linux) or sets no limit. Node has raised its own as far as it may. */
export async function openFilesLimit(files: Files): Promise<number | undefined> {
  try {
    return parseOpenFilesLimit(Buffer.from(await files.readFile("/proc/self/limits")).toString("latin1"));
  } catch {
    return undefined;
  }
}

export function parseOpenFilesLimit(limits: string): number | undefined {
  const [, soft] = /^Max open files +(\d+)/m.exec(limits) ?? [];
  return soft === undefined ? undefined : Number(soft);
}
