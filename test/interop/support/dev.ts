/** `posthaste dev` of this checkout as a real process, and what arrives in it. */
import { fileURLToPath } from "node:url";
import { Folder } from "./folder.ts";
import { freePort } from "./free-port.ts";
import { type Program, startProgram, untilListening } from "./program.ts";

const main = fileURLToPath(new URL("../../../src/main.ts", import.meta.url));

export interface DevServer extends AsyncDisposable {
  readonly folder: Folder;
  readonly dataFolder: string;
  readonly smtpPort: number;
  readonly httpPort: number;
  readonly program: Program;
  /** The captured message with this subject, as the API has it; rejects with the log when none comes. */
  arrived(subject: string): Promise<Record<string, unknown>>;
}

export async function startDev(...options: readonly string[]): Promise<DevServer> {
  const folder = new Folder();
  const dataFolder = folder.file("data");
  const [smtpPort, httpPort] = [await freePort(), await freePort()];
  const ports = ["--smtp-port", String(smtpPort), "--http-port", String(httpPort)];
  const words = [main, "dev", ...ports, "--data-dir", dataFolder, "--no-welcome", ...options];
  const program = startProgram(process.execPath, words, { cwd: folder.path });
  for (const port of [smtpPort, httpPort]) await untilListening(port, program);
  return {
    folder,
    dataFolder,
    smtpPort,
    httpPort,
    program,
    arrived: async (subject) => {
      const query = new URLSearchParams({ subject, timeout: "20s" });
      const answer = await fetch(`http://127.0.0.1:${httpPort}/api/v1/inbox/wait?${query.toString()}`);
      if (answer.status !== 200) throw new Error(`${subject} did not arrive\n${program.output()}`);
      return (await answer.json()) as Record<string, unknown>;
    },
    async [Symbol.asyncDispose]() {
      await program.stop();
      folder[Symbol.dispose]();
    },
  };
}
