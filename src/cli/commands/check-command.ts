/** `posthaste check config`: is a configuration right, before a server takes it? */
import { resolve } from "node:path";
import { listenAddressOf } from "../../config/listener-address.ts";
import { ConfigError, type ConfigProblem } from "../../config/config-problem.ts";
import { type LoadedSettings, loadSettings } from "../../config/load-settings.ts";
import { formatSettingPath } from "../../config/setting-path.ts";
import { formatListenAddress } from "../../lib/setting-types.ts";
import { FileError } from "../../ports/files.ts";
import { type Command, jsonOption } from "../command.ts";
import type { CliContext } from "../context.ts";
import { findConfig } from "../data-dir.ts";
import { ExitCode, usageError } from "../exit-code.ts";
import { styleFor } from "../style.ts";

export const checkConfigCommand: Command = {
  name: "check config",
  summary: "check a configuration whole, and name the line of each fault",
  options: [jsonOption],
  positionals: [
    {
      name: "FILE",
      optional: true,
      completes: "file",
      summary: "posthaste.toml or posthaste.config.ts; default: the one in its usual place",
    },
  ],
  examples: [{ line: "posthaste check config /etc/posthaste/posthaste.toml", does: "before a reload" }],
  run: async (given, context) => {
    const [name] = given.positionals;
    const file = name === undefined ? await findConfig(context) : resolve(context.workingDirectory, name);
    if (file === undefined) throw usageError("there is no posthaste.toml here or in /etc/posthaste; name a FILE");
    try {
      const { settings } = await loadWithCertificates(file, context);
      if (given.flag("json")) {
        context.stdout.write(`${JSON.stringify({ ok: true, file, problems: [] })}\n`);
        return ExitCode.ok;
      }
      const style = styleFor(context.stdout, context.environment);
      const { domain, user, alias, route } = settings;
      const listeners = settings.listener.flatMap((listener) => {
        const address = listenAddressOf(listener);
        return address ? [`${listener.kind} on ${formatListenAddress(address)}`] : [];
      });
      const counts = [
        [domain.length, "domain"],
        [user.length, "user"],
        [alias.length, "alias"],
        [route.length, "route"],
      ] as const;
      context.stdout.write(`${style.green("The configuration is right:")} ${file}\n`);
      context.stdout.write(`  ${settings.hostname}: ${listeners.join(", ")}\n`);
      context.stdout.write(`  ${counts.map(([count, word]) => plural(count, word)).join(", ")}\n`);
      return ExitCode.ok;
    } catch (error) {
      if (!(error instanceof ConfigError) || !given.flag("json")) throw error;
      const problems = error.problems.map(({ path, position, ...problem }) => ({
        ...problem,
        key: formatSettingPath(path),
        line: position?.line ?? null,
        column: position?.column ?? null,
      }));
      context.stdout.write(`${JSON.stringify({ ok: false, file, problems })}\n`);
      return ExitCode.config;
    }
  },
};

/** Other commands do without the certificate, so loading alone does not look for it. */
async function loadWithCertificates(file: string, context: CliContext): Promise<LoadedSettings> {
  const loaded = await loadSettings(file, context);
  const problems: ConfigProblem[] = [];
  for (const key of ["certificate", "key"] as const) {
    const path = loaded.settings.tls[key];
    if (path === undefined) continue;
    try {
      await context.files.readFile(path);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      const position = loaded.positionOf(["tls", key]);
      const message = `${path} cannot be read (${error.code})`;
      const place = position === undefined ? {} : { position };
      problems.push({ code: "config-tls-unreadable", file, path: ["tls", key], message, ...place });
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return loaded;
}

function plural(count: number, word: string): string {
  const many = word.endsWith("s") ? `${word}es` : `${word}s`;
  return `${count} ${count === 1 ? word : many}`;
}
