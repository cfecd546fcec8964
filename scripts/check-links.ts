/** Finds links in documents that lead to no file of the repository, or to no heading of the file. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "*.md"], { encoding: "utf8" })
  .split("\n")
  .filter((file) => file !== "" && existsSync(file));

let faults = 0;
for (const file of files) {
  withoutCode(readFileSync(file, "utf8"))
    .split("\n")
    .forEach((line, index) => {
      for (const [, target = ""] of line.matchAll(/\]\(([^()\s]+)\)/g)) {
        const fault = /^[a-z][a-z0-9+.-]*:/.test(target) ? undefined : faultOf(file, target);
        if (fault === undefined) continue;
        faults++;
        console.error(`${file}:${index + 1}: ${target}: ${fault}`);
      }
    });
}
console.log(faults === 0 ? `links: all lead somewhere in ${files.length} documents` : `links: ${faults} to mend`);
process.exit(faults === 0 ? 0 : 1);

function faultOf(file: string, target: string): string | undefined {
  const [path = "", fragment] = target.split("#");
  const other = path === "" ? file : normalize(join(dirname(file), path));
  if (!existsSync(other)) return `there is no ${other}`;
  if (fragment === undefined || !other.endsWith(".md") || statSync(other).isDirectory()) return undefined;
  return anchors(readFileSync(other, "utf8")).has(fragment) ? undefined : `${other} has no such heading`;
}

/** The anchors that GitHub makes from headings, with `-1` and so on for a heading that is repeated; and explicit ones. */
function anchors(text: string): ReadonlySet<string> {
  const found = new Set<string>();
  const counts = new Map<string, number>();
  for (const [, heading = ""] of withoutFences(text).matchAll(/^#{1,6} +(.*)$/gm)) {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
      .replaceAll(" ", "-");
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    found.add(count === 0 ? slug : `${slug}-${count}`);
  }
  for (const [, id = ""] of text.matchAll(/<a (?:id|name)="([^"]+)"/g)) found.add(id);
  return found;
}

/** Lines stay where they are, so that their numbers do. */
function withoutCode(text: string): string {
  return withoutFences(text).replaceAll(/`[^`\n]*`/g, "");
}

function withoutFences(text: string): string {
  return text.replaceAll(/^ *(`{3,})[^]*?^ *\1 *$/gm, (block) => block.replaceAll(/[^\n]/g, ""));
}
