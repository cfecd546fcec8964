/** Where a setting stands, for whoever asks why something was decided. */
import type { Position } from "./config-problem.ts";
import { type SettingPath, valueAt } from "./setting-path.ts";
import type { Settings } from "./settings-schema.ts";

interface Origin {
  readonly file: string;
  readonly positionOf: (path: SettingPath) => Position | undefined;
}

const origins = new WeakMap<Settings, Origin>();

/** Called once for settings that were read from a file whose lines are known. */
export function rememberOrigin(settings: Settings, origin: Origin): void {
  origins.set(settings, origin);
}

/**
 * Takes a setting as decisions name it (`limits.connections`, `user ann@example.org`, `dmarc.override example.org`); gives
 * file and line, or `default`. undefined: it stands in no file, as users whom a command added, or in one without lines: a module, a program.
 */
export function originOfSettings(settings: Settings): (setting: string) => string | undefined {
  const entries = new EntryIndex();
  const originOf = (setting: string): string | undefined => {
    const path = pathOf(settings, setting, entries);
    if (path === undefined) return undefined;
    const origin = origins.get(settings);
    const position = origin?.positionOf(path);
    if (origin === undefined) return undefined;
    if (position === undefined) return path.length > 1 ? "default" : undefined;
    return `${origin.file}:${position.line}`;
  };
  // Names with a space are of entries, of which there may be many; the others are as many as there are settings.
  const known = new Map<string, string | undefined>();
  return (setting) => {
    if (setting.includes(" ")) return originOf(setting);
    if (!known.has(setting)) known.set(setting, originOf(setting));
    return known.get(setting);
  };
}

/** Keys that identify an entry of `user`, `alias`, `domain` or `dmarc.override`. */
const naming = ["address", "name", "domain"];

/** Where in its list each entry stands. Asked for each recipient that is accepted, of lists with thousands of users. */
class EntryIndex {
  readonly #lists = new Map<string, ReadonlyMap<unknown, number>>();

  find(key: string, list: readonly Readonly<Record<string, unknown>>[], name: string): number | undefined {
    let places = this.#lists.get(key);
    if (places === undefined) {
      // Of entries with the same name the first counts, so it is written last.
      places = new Map(list.flatMap((entry, index) => naming.map((of) => [entry[of], index] as const)).toReversed());
      this.#lists.set(key, places);
    }
    return places.get(name);
  }
}

function pathOf(settings: Settings, setting: string, entries: EntryIndex): SettingPath | undefined {
  const [key = "", name, part] = setting.split(" ");
  const path = key.split(".");
  const value = valueAt(settings, path);
  if (name === undefined || !Array.isArray(value)) return value === undefined ? undefined : path;
  const index = entries.find(key, value, name);
  if (index === undefined) return undefined;
  const entry = [...path, index];
  return part === undefined || valueAt(settings, [...entry, part]) === undefined ? entry : [...entry, part];
}
