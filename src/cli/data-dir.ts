/** Which server a command speaks of: the data directory it was told, or the one that is most likely meant. */
import { join, resolve } from "node:path";
import { loadSettings } from "../config/load-settings.ts";
import type { OptionDeclaration } from "./command.ts";
import type { CliContext, ServerApi, ServerTarget } from "./context.ts";
import { CliError, ExitCode, usageError } from "./exit-code.ts";
import type { GivenArguments } from "./given-arguments.ts";

export const configOption = {
  name: "config",
  short: "c",
  value: "FILE",
  completes: "file",
  summary: "configuration file of the server; default ./posthaste.toml, then /etc/posthaste/posthaste.toml",
} as const satisfies OptionDeclaration;

export const dataDirOption = {
  name: "data-dir",
  value: "FOLDER",
  completes: "folder",
  variable: "POSTHASTE_DATA_DIR",
  summary: "data directory of the server, instead of --config",
} as const satisfies OptionDeclaration;

/** Both ways to say which server; commands that speak to one take them. */
export const serverOptions = [configOption, dataDirOption] as const;

const usualConfigs = ["posthaste.toml", "posthaste.config.ts", "/etc/posthaste/posthaste.toml"];

/** `--data-dir`, `--config`, a configuration in its usual place, or where `posthaste dev` keeps its data. */
export async function findServer(given: GivenArguments, context: CliContext): Promise<ServerTarget> {
  const config = given.text("config");
  // What the command line says goes before the environment.
  const folder = config !== undefined && given.isFromEnvironment("data-dir") ? undefined : given.text("data-dir");
  if (folder !== undefined && config !== undefined) throw usageError("--config and --data-dir cannot be used together");
  if (folder !== undefined) return { dataDir: resolve(context.workingDirectory, folder) };
  const file = config === undefined ? await findConfig(context) : resolve(context.workingDirectory, config);
  if (file === undefined) return { dataDir: await devDataDir(context) };
  const { settings } = await loadSettings(file, context);
  return { dataDir: settings.data_dir, settings };
}

/** The configuration in its usual place, if there is one. */
export async function findConfig({ files, workingDirectory }: CliContext): Promise<string | undefined> {
  for (const name of usualConfigs) {
    const file = resolve(workingDirectory, name);
    if ((await files.stat(file))?.kind === "file") return file;
  }
  return undefined;
}

/** What `posthaste dev --project` makes in the working directory. */
export function projectDataDir({ workingDirectory }: CliContext): string {
  return resolve(workingDirectory, ".posthaste");
}

/** Where `posthaste dev` keeps spool and inbox, so that both are there after a restart: the project's folder, or the user's. */
export async function devDataDir(context: CliContext): Promise<string> {
  const project = projectDataDir(context);
  if ((await context.files.stat(project))?.kind === "directory") return project;
  return join(context.environment["XDG_STATE_HOME"] || join(context.homeDirectory, ".local", "state"), "posthaste-dev");
}

/** The answer as JSON; an error of the API ends the command with its own words. */
export async function ask(
  api: ServerApi,
  path: string,
  init?: { readonly method?: string; readonly json?: unknown },
): Promise<unknown> {
  return await answerOf(await api.request(path, init));
}

export async function answerOf(response: Response): Promise<unknown> {
  const text = await response.text();
  const body: unknown = text === "" ? undefined : parseJson(text);
  if (response.ok) return body;
  const message = errorOf(body) ?? `the server replied with HTTP status ${response.status}`;
  switch (response.status) {
    case 404:
      throw new CliError(ExitCode.data, message);
    case 503:
    case 504:
      throw new CliError(ExitCode.tryLater, message);
    case 400:
      throw usageError(message);
    case 409:
    case 422:
      throw new CliError(ExitCode.data, message);
    default:
      throw new CliError(ExitCode.unavailable, message);
  }
}

/** Opens the API and says on stderr when it is the spool that answers, not a server. */
export async function openApi(
  given: GivenArguments,
  context: CliContext,
  options: Pick<ServerTarget, "mayCreate" | "serverOnly"> = {},
): Promise<ServerApi> {
  const target = await findServer(given, context);
  const api = await context.serverApi({ ...target, ...options });
  if (!api.running)
    context.stderr.write(`No server is running in ${target.dataDir}; this command opens the spool directly.\n`);
  return api;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CliError(ExitCode.unavailable, "the server's reply is not JSON");
  }
}

function errorOf(body: unknown): string | undefined {
  if (typeof body !== "object" || body === null || !("error" in body)) return undefined;
  return typeof body.error === "string" ? body.error : undefined;
}
