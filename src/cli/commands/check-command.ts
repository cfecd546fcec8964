/** `posthaste check config`: is a configuration right, before a server takes it? */
import { resolve } from "node:path";
import { listenAddressOf } from "../../config/listener-address.ts";
import { ConfigError, type ConfigProblem, formatProblem } from "../../config/config-problem.ts";
import { type LoadedSettings, loadSettings } from "../../config/load-settings.ts";
import { formatSettingPath, type SettingPath } from "../../config/setting-path.ts";
import { type ConfigWarningCode, settingsWarnings } from "../../config/settings-warnings.ts";
import { formatEndpoint } from "../../lib/endpoint.ts";
import { FileError } from "../../ports/files.ts";
import { type Command, jsonOption } from "../command.ts";
import type { CliContext } from "../context.ts";
import { findConfig } from "../data-dir.ts";
import { ExitCode, usageError } from "../exit-code.ts";
import { styleFor } from "../style.ts";

export const checkConfigCommand: Command = {
  name: "check config",
  summary: "check a configuration file and report each error with its line",
  options: [jsonOption],
  positionals: [
    {
      name: "FILE",
      optional: true,
      completes: "file",
      summary: "posthaste.toml or posthaste.config.ts; default: the one in the usual place",
    },
  ],
  examples: [{ line: "posthaste check config /etc/posthaste/posthaste.toml", does: "before a reload" }],
  run: async (given, context) => {
    const [name] = given.positionals;
    const file = name === undefined ? await findConfig(context) : resolve(context.workingDirectory, name);
    if (file === undefined) throw usageError("there is no posthaste.toml here or in /etc/posthaste; specify FILE");
    try {
      const { settings, warnings } = await loadWithCertificates(file, context);
      if (given.flag("json")) {
        const shown = { ok: true, file, problems: [], warnings: warnings.map(problemJson) };
        context.stdout.write(`${JSON.stringify(shown)}\n`);
        return ExitCode.ok;
      }
      const style = styleFor(context.stdout, context.environment);
      const { domain, user, alias, route } = settings;
      const listeners = settings.listener.flatMap((listener) => {
        const address = listenAddressOf(listener);
        return address ? [`${listener.kind} on ${formatEndpoint(address)}`] : [];
      });
      const counts = [
        [domain.length, "domain"],
        [user.length, "user"],
        [alias.length, "alias"],
        [route.length, "route"],
      ] as const;
      context.stdout.write(`${style.green("The configuration is valid:")} ${file}\n`);
      context.stdout.write(`  ${settings.hostname}: ${listeners.join(", ")}\n`);
      context.stdout.write(`  ${counts.map(([count, word]) => plural(count, word)).join(", ")}\n`);
      for (const warning of warnings) context.stdout.write(`${style.yellow("Warning:")} ${formatProblem(warning)}\n`);
      return ExitCode.ok;
    } catch (error) {
      if (!(error instanceof ConfigError) || !given.flag("json")) throw error;
      const problems = error.problems.map(problemJson);
      context.stdout.write(`${JSON.stringify({ ok: false, file, problems, warnings: [] })}\n`);
      return ExitCode.config;
    }
  },
};

type Warning = Omit<ConfigProblem, "code"> & { readonly code: ConfigWarningCode };

function problemJson({ path, position, ...problem }: ConfigProblem | Warning) {
  return {
    ...problem,
    key: formatSettingPath(path),
    line: position?.line ?? null,
    column: position?.column ?? null,
  };
}

/** Other commands do without the certificate, so loading alone does not look for it. */
async function loadWithCertificates(
  file: string,
  context: CliContext,
): Promise<LoadedSettings & { readonly warnings: readonly Warning[] }> {
  const loaded = await loadSettings(file, context);
  const { settings, positionOf } = loaded;
  const problems: ConfigProblem[] = [];
  const placed = (path: SettingPath) => {
    const position = positionOf(path);
    return { file, path, ...(position !== undefined && { position }) };
  };
  const read = async (path: string | undefined, key: SettingPath) => {
    if (path === undefined) return undefined;
    try {
      return Buffer.from(await context.files.readFile(path)).toString("latin1");
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      const message = `${path} cannot be read (${error.code})`;
      problems.push({ code: "config-tls-unreadable", message, ...placed(key) });
      return undefined;
    }
  };
  const warnings: Warning[] = settingsWarnings(settings).map(({ path, ...warning }) => ({
    ...warning,
    ...placed(path),
  }));
  const { tls, hostname } = settings;
  const sections = [
    { at: ["tls"] as SettingPath, names: [hostname], ...tls },
    ...tls.certificates.map((other, index) => ({ at: ["tls", "certificates", index], ...other })),
  ];
  for (const { at, names, certificate, key } of sections) {
    const [certificatePem, keyPem] = [await read(certificate, [...at, "certificate"]), await read(key, [...at, "key"])];
    if (certificatePem === undefined || keyPem === undefined) continue;
    const judged = context.judgeCertificate({ certificatePem, keyPem }, { names, now: context.clock.now() });
    const place = placed([...at, "certificate"]);
    problems.push(...judged.problems.map((message) => ({ code: "config-tls-unusable" as const, message, ...place })));
    warnings.push(...judged.warnings.map((warning) => ({ ...warning, ...place })));
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...loaded, warnings };
}

function plural(count: number, word: string): string {
  const many = word.endsWith("s") ? `${word}es` : `${word}s`;
  return `${count} ${count === 1 ? word : many}`;
}
