/** `posthaste serve`: the server in production, until a signal ends it. */
import { resolve } from "node:path";
import { loadSettings } from "../../config/load-settings.ts";
import type { Command } from "../command.ts";
import { configOption, findConfig } from "../data-dir.ts";
import { ExitCode, usageError } from "../exit-code.ts";

export const serveCommand: Command = {
  name: "serve",
  summary: "run the server in production",
  description:
    "Logs JSON to standard output. SIGHUP reloads the configuration, completely or not at all. On SIGTERM or SIGINT\n" +
    "the server stops accepting mail, finishes or defers deliveries within stop_within, and exits; a second signal ends it at once.",
  options: [
    { ...configOption, summary: "configuration; default ./posthaste.toml, then /etc/posthaste/posthaste.toml" },
  ],
  positionals: [],
  examples: [{ line: "posthaste serve --config /etc/posthaste/posthaste.toml", does: "what a service unit runs" }],
  run: async (given, context) => {
    const name = given.text("config");
    const file = name === undefined ? await findConfig(context) : resolve(context.workingDirectory, name);
    if (file === undefined)
      throw usageError("--config FILE is required: there is no posthaste.toml here or in /etc/posthaste");
    const { interrupted } = context;
    const load = async () => (await loadSettings(file, context)).settings;
    const server = await context.startServer({ settings: await load(), mode: "production", reload: load });
    context.onHangup(() => void server.reload());
    await aborted(interrupted);
    await server.stop();
    return ExitCode.ok;
  },
};

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener("abort", () => done(), { once: true });
  });
}
