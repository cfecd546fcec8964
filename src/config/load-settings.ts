/**
 * Reads a configuration, checks it whole, and gives settings that need no further look: secrets read, paths absolute,
 * times in milliseconds. Everything that is wrong is told at once, each with its place. What the settings mean together
 * is looked at in `cross-checks.ts`.
 */
import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { errorText } from "../lib/error-text.ts";
import type { SettingKind } from "../lib/setting-types.ts";
import { shorten } from "../lib/shorten.ts";
import { FileError, type Files } from "../ports/files.ts";
import { readAuthorities } from "./authorities.ts";
import { ConfigError, type ConfigProblem, type ConfigProblemCode, type Position } from "./config-problem.ts";
import { crossProblems } from "./cross-checks.ts";
import { issueText, meant } from "./issue-text.ts";
import { isTable, knownKeysAt, replaceMarked, schemaAt } from "./schema-walk.ts";
import { rememberOrigin } from "./setting-origin.ts";
import { formatSettingPath, type SettingPath, valueAt } from "./setting-path.ts";
import { type Settings, type SettingsInput, settingsSchema } from "./settings-schema.ts";
import { configBytesMax, parseTomlDocument, TomlSyntaxError } from "./toml-document.ts";

/** A password or token file larger than this is some other file. */
const secretBytesMax = 65_536;
/** Room for any sentence of ours and a list of all known keys. */
const messageLengthMax = 1500;

/** Settings that a module or a program gives have no lines. */
const nowhere = () => undefined;

export interface ConfigSources {
  readonly files: Files;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Loads a `.ts`, `.mts`, `.js` or `.mjs` module, freshly each time; gives its namespace. */
  readonly importModule: (absolutePath: string) => Promise<Readonly<Record<string, unknown>>>;
}

type Sources = Omit<ConfigSources, "importModule">;

export interface LoadedSettings {
  readonly settings: Settings;
  /** Absolute. */
  readonly file: string;
  /** Undefined for what stands in no file: defaults, and modules. */
  readonly positionOf: (path: SettingPath) => Position | undefined;
}

interface ConfigDocument {
  readonly file: string;
  /** Where relative paths start. Absolute. */
  readonly folder: string;
  readonly value: unknown;
  readonly positionOf: (path: SettingPath) => Position | undefined;
}

/** `file`: absolute. Throws {@link ConfigError} with all that is wrong. */
export async function loadSettings(file: string, sources: ConfigSources): Promise<LoadedSettings> {
  const document = /\.[cm]?[jt]s$/.test(file) ? await importDocument(file, sources) : await readToml(file, sources);
  return await loadedSettings(document, sources);
}

/**
 * Settings that a program writes itself, checked and completed as those of a file are. `folder`: absolute; relative paths
 * start there. Throws {@link ConfigError} with all that is wrong.
 */
export async function checkSettings(value: SettingsInput, folder: string, sources: Sources): Promise<Settings> {
  return (await loadedSettings({ file: "settings", folder, value, positionOf: nowhere }, sources)).settings;
}

async function loadedSettings(document: ConfigDocument, sources: Sources): Promise<LoadedSettings> {
  const { file } = document;
  const problems: ConfigProblem[] = [];
  const report: Report = (code, path, message) => {
    const position = nearestPosition(document, path);
    // It may repeat a key or a value, of any length.
    const shown = shorten(message, messageLengthMax);
    problems.push({ code, file, path, message: shown, ...(position && { position }) });
  };

  const value = await resolveReferences(document, sources, report);
  const failed = new Set(problems.map(({ path }) => formatSettingPath(path)));
  const parsed = settingsSchema.safeParse(value, { error: issueText });
  if (parsed.success && problems.length === 0) {
    for (const { code, path, message } of crossProblems(parsed.data)) report(code, path, message);
    const unusable = await dataDirProblem(parsed.data.data_dir, sources.files);
    if (unusable !== undefined) report("config-data-dir", ["data_dir"], unusable);
    if (problems.length === 0) {
      if (document.positionOf !== nowhere) rememberOrigin(parsed.data, document);
      return { settings: parsed.data, file, positionOf: document.positionOf };
    }
  }
  for (const issue of parsed.error?.issues ?? []) reportIssue(issue, document.value, failed, report);
  throw new ConfigError(problems.toSorted(byPlace));
}

type Report = (code: ConfigProblemCode, path: SettingPath, message: string) => void;

async function readToml(file: string, { files }: ConfigSources): Promise<ConfigDocument> {
  const fail = (code: ConfigProblemCode, message: string, position?: Position): ConfigError =>
    new ConfigError([{ code, file, path: [], message, ...(position && { position }) }]);
  let text: string;
  try {
    const facts = await files.stat(file);
    if (facts && facts.size > configBytesMax)
      throw fail("config-unreadable", `the file has over ${configBytesMax} octets`);
    text = new TextDecoder("utf-8", { fatal: true }).decode(await files.readFile(file));
  } catch (error) {
    if (error instanceof FileError) throw fail("config-unreadable", `the file cannot be read (${error.code})`);
    if (error instanceof TypeError) throw fail("config-syntax", "the file is not UTF-8 text");
    throw error;
  }
  try {
    return { file, folder: dirname(file), ...parseTomlDocument(text) };
  } catch (error) {
    if (error instanceof TomlSyntaxError) throw fail("config-syntax", lowerFirst(error.message), error.position);
    throw error;
  }
}

async function importDocument(file: string, { importModule }: ConfigSources): Promise<ConfigDocument> {
  const fail = (message: string): ConfigError => new ConfigError([{ code: "config-module", file, path: [], message }]);
  let value: unknown;
  try {
    value = (await importModule(file))["default"];
  } catch (error) {
    throw fail(`the module cannot be loaded: ${errorText(error)}`);
  }
  if (!isTable(value)) {
    throw fail("the default export of the module is not a configuration; write `export default defineConfig({ … })`");
  }
  return { file, folder: dirname(file), value, positionOf: nowhere };
}

/** Secrets become their text, relative paths absolute ones. */
async function resolveReferences(document: ConfigDocument, sources: Sources, report: Report): Promise<unknown> {
  const { folder } = document;
  const absolute = (path: string) => (path === "" || path.includes("\0") ? path : resolve(folder, path));
  const replace = async (kind: SettingKind, value: unknown, path: SettingPath): Promise<unknown> => {
    if (kind === "authorities" && typeof value === "string" && value !== "" && !value.includes("\0")) {
      const read = await readAuthorities(absolute(value), sources.files);
      if ("problem" in read) report("config-ca-unusable", path, read.problem);
      return "pem" in read ? read.pem : undefined;
    }
    if (kind === "path" && typeof value === "string") return absolute(value);
    if (kind === "listen-address" && typeof value === "string" && value.startsWith("unix:") && value.length > 5) {
      return `unix:${absolute(value.slice(5))}`;
    }
    if (kind !== "secret" || !isTable(value)) return value;
    return await readSecret(value, path, { sources, absolute, report });
  };
  return await replaceMarked(settingsSchema, document.value, replace);
}

async function readSecret(
  reference: Readonly<Record<string, unknown>>,
  path: SettingPath,
  context: { readonly sources: Sources; readonly absolute: (path: string) => string; readonly report: Report },
): Promise<string | undefined> {
  const { sources, absolute, report } = context;
  const [[key, source] = ["", undefined], ...others] = Object.entries(reference);
  if (others.length > 0 || (key !== "file" && key !== "env") || typeof source !== "string" || source === "") {
    const hint = meant(key, ["file", "env"]);
    report("config-invalid-value", path, `a secret is text, { file = "…" } or { env = "…" }${hint}`);
    return undefined;
  }
  if (key === "env") {
    const text = sources.environment[source];
    // What is no name of a variable may be the secret itself.
    const variable = /^[A-Z_][A-Z0-9_]*$/.test(source) ? `variable ${source}` : "variable that is named";
    if (!text) report("config-secret-unreadable", path, `the environment ${variable} is not set`);
    return text;
  }
  try {
    const bytes = await sources.files.readFile(absolute(source));
    if (bytes.length > secretBytesMax) {
      report("config-secret-unreadable", path, `${absolute(source)} is too large for a secret`);
      return undefined;
    }
    // Editors end the last line; a secret does not.
    const text = new TextDecoder().decode(bytes).replace(/\r?\n$/, "");
    if (text === "") report("config-secret-unreadable", path, `${absolute(source)} is empty`);
    return text;
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    report("config-secret-unreadable", path, `${absolute(source)} cannot be read (${error.code})`);
    return undefined;
  }
}

function reportIssue(issue: z.core.$ZodIssue, value: unknown, failed: ReadonlySet<string>, report: Report): void {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  if (failed.has(formatSettingPath(path))) return;
  if (issue.code === "unrecognized_keys") {
    const known = knownKeysAt(settingsSchema, value, path);
    for (const key of issue.keys) {
      const hint = meant(key, known) || `; the keys here are: ${known.join(", ")}`;
      report("config-unknown-key", [...path, key], `unknown key "${key}"${hint}`);
    }
    return;
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // A form was chosen by its shape, so tell what is wrong with that one.
    const chosen = issue.errors.toSorted((a, b) => depth(b) - depth(a) || a.length - b.length)[0] ?? [];
    for (const inner of chosen) reportIssue({ ...inner, path: [...path, ...inner.path] }, value, failed, report);
    return;
  }
  if (path.length > 0 && valueAt(value, path) === undefined && isMissing(value, path)) {
    const description = descriptionOf(value, path);
    report("config-missing-key", path, `the key is missing${description === "" ? "" : `: ${description}`}`);
    return;
  }
  report("config-invalid-value", path, issue.message);
}

function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map(({ path, code }) => path.length * 2 + (code === "invalid_type" ? 0 : 1)));
}

function isMissing(value: unknown, path: SettingPath): boolean {
  return isTable(path.length === 1 ? value : valueAt(value, path.slice(0, -1)));
}

/** First sentence of what the schema says of the key. */
function descriptionOf(value: unknown, path: SettingPath): string {
  const parent = schemaAt(settingsSchema, value, path.slice(0, -1));
  const definition = parent && (parent.schema as z.core.$ZodTypes)._zod.def;
  const shape = definition?.type === "object" ? definition.shape[String(path.at(-1))] : undefined;
  const description = shape ? (shape as z.ZodType).description : undefined;
  return description === undefined ? "" : lowerFirst(/^.*?(?=[.;:] |\.?$)/.exec(description)?.[0] ?? "");
}

/** Looks and touches nothing; a folder that is not there yet is made at the start. */
async function dataDirProblem(path: string, files: Files): Promise<string | undefined> {
  try {
    const facts = await files.stat(path);
    return facts && facts.kind !== "directory" ? `${path} is not a folder` : undefined;
  } catch (error) {
    if (error instanceof FileError) return `${path} cannot be used (${error.code}); make it readable for this user`;
    throw error;
  }
}

/** The place of the value, or of the table it is missing in. */
function nearestPosition(document: ConfigDocument, path: SettingPath): Position | undefined {
  for (let length = path.length; length > 0; length--) {
    const position = document.positionOf(path.slice(0, length));
    if (position) return position;
  }
  return undefined;
}

function byPlace(a: ConfigProblem, b: ConfigProblem): number {
  return (
    (a.position?.line ?? 0) - (b.position?.line ?? 0) ||
    (a.position?.column ?? 0) - (b.position?.column ?? 0) ||
    (formatSettingPath(a.path) < formatSettingPath(b.path) ? -1 : 1)
  );
}

function lowerFirst(text: string): string {
  return asciiLowerCase(text.charAt(0)) + text.slice(1);
}
