/** This checkout's own server as a real process, with a configuration written for the test. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Folder } from "./folder.ts";
import { type Program, startProgram, untilListening } from "./program.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

export interface PosthasteServer extends AsyncDisposable {
  readonly folder: Folder;
  readonly dataFolder: string;
  readonly configuration: string;
  readonly program: Program;
  /** What `admin.listen` asks for where the configuration has no token. */
  adminToken(): string;
  /** Starts again on the same data, after a stop or a kill. */
  restart(): Promise<void>;
}

/**
 * `configuration` is TOML without `hostname` and `data_dir`; `ports` are waited for. `wrap` starts the server under
 * another program (a tracer).
 */
export async function startPosthaste(options: {
  readonly configuration: string;
  readonly ports: readonly number[];
  readonly hostname?: string;
  readonly wrap?: readonly string[];
  readonly nodeOptions?: readonly string[];
}): Promise<PosthasteServer> {
  const folder = new Folder();
  const dataFolder = folder.file("data");
  mkdirSync(dataFolder, { mode: 0o700 });
  const file = folder.file("posthaste.toml");
  writeFileSync(
    file,
    `hostname = "${options.hostname ?? "posthaste.test"}"\ndata_dir = "${dataFolder}"\n${options.configuration}`,
  );
  const command = [
    ...(options.wrap ?? []),
    ...[process.execPath, ...(options.nodeOptions ?? []), `${root}src/main.ts`, "serve", "--config", file],
  ];
  const start = async () => {
    const program = startProgram(command[0] ?? "", command.slice(1), { cwd: folder.path });
    for (const port of options.ports) await untilListening(port, program);
    return program;
  };
  let program = await start();
  return {
    folder,
    dataFolder,
    configuration: file,
    get program() {
      return program;
    },
    adminToken: () => readFileSync(`${dataFolder}/admin.token`, "utf8").trim(),
    async restart() {
      await program.stop();
      program = await start();
    },
    async [Symbol.asyncDispose]() {
      await program.stop();
      folder[Symbol.dispose]();
    },
  };
}

/** Runs a command of this checkout's CLI. */
export function posthasteArguments(...args: readonly string[]): readonly string[] {
  return [`${root}src/main.ts`, ...args];
}
