/** Inputs to begin with: short texts in the code, and the standards' vectors where they are there. */
import { globSync, readFileSync, statSync } from "node:fs";
import { conformancePath } from "../../src/testing/conformance-data.ts";

/** One character for each octet. */
export function texts(...list: readonly string[]): readonly Buffer[] {
  return list.map((text) => Buffer.from(text, "latin1"));
}

/** Files below a folder of the vectors, with CRLF line ends, the same ones each time; none without the data. */
export function conformanceFiles(
  folder: string,
  options: { readonly bytesMax: number; readonly count: number; readonly pattern?: string; readonly raw?: true },
): readonly Buffer[] {
  const root = conformancePath(folder);
  if (root === undefined) return [];
  return globSync(options.pattern ?? "**/*", { cwd: root })
    .map((name) => `${root}/${name}`)
    .filter((file) => statSync(file).isFile() && statSync(file).size <= options.bytesMax)
    .toSorted()
    .slice(0, options.count)
    .map((file) => {
      const bytes = readFileSync(file);
      return options.raw ? bytes : Buffer.from(bytes.toString("latin1").replaceAll(/\r?\n/g, "\r\n"), "latin1");
    });
}
