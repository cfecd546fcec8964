/** Where a value stands in the configuration: keys of tables and indexes of arrays. */
export type SettingPath = readonly (string | number)[];

/** `listener[0].kind`; a key that TOML would quote is quoted. Also serves as the key of maps. */
export function formatSettingPath(path: SettingPath): string {
  return path
    .map((part, index) => {
      if (typeof part === "number") return `[${part}]`;
      const key = /^[A-Za-z0-9_-]+$/.test(part) ? part : JSON.stringify(part);
      return index === 0 ? key : `.${key}`;
    })
    .join("");
}

/** The value at `path`, or undefined where there is none. */
export function valueAt(root: unknown, path: SettingPath): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[part];
  }
  return value;
}
