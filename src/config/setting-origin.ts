/** Where a setting stands, for whoever asks why something was decided. */
import type { Position } from "./config-problem.ts";
import { type SettingPath, valueAt } from "./setting-path.ts";
import type { Settings } from "./settings-schema.ts";

interface Origin {
  readonly file: string;
  readonly positionOf: (path: SettingPath) => Position | undefined;
}

const origins = new WeakMap<Settings, Origin>();

/** Called once for settings that were read from a file. */
export function rememberOrigin(settings: Settings, origin: Origin): void {
  origins.set(settings, origin);
}

/**
 * Takes a setting as decisions name it (`limits.connections`, `user ann@example.org`, `dmarc.override example.org`); gives
 * file and line, or `default`. undefined: it stands in no file, as users whom a command added.
 */
export function originOfSettings(settings: Settings): (setting: string) => string | undefined {
  return (setting) => {
    const path = pathOf(settings, setting);
    if (path === undefined) return undefined;
    const origin = origins.get(settings);
    const position = origin?.positionOf(path);
    if (origin === undefined || position === undefined) return path.length > 1 ? "default" : undefined;
    return `${origin.file}:${position.line}`;
  };
}

/** What the entries of `user`, `alias`, `domain` and `dmarc.override` are told apart by. */
const naming = ["address", "name", "domain"];

function pathOf(settings: Settings, setting: string): SettingPath | undefined {
  const [key = "", name, part] = setting.split(" ");
  const path = key.split(".");
  const value = valueAt(settings, path);
  if (name === undefined || !Array.isArray(value)) return value === undefined ? undefined : path;
  const index = value.findIndex((entry: Readonly<Record<string, unknown>>) => naming.some((of) => entry[of] === name));
  if (index === -1) return undefined;
  const entry = [...path, index];
  return part === undefined || valueAt(settings, [...entry, part]) === undefined ? entry : [...entry, part];
}
