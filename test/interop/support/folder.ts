/** A temporary folder that other users' processes can reach, and templates filled in it. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

export class Folder implements Disposable {
  readonly path = mkdtempSync(path.join(tmpdir(), "posthaste-interop-"));

  constructor() {
    chmodSync(this.path, 0o755);
  }

  file(...parts: readonly string[]): string {
    return path.join(this.path, ...parts);
  }

  /** Copies a file of the test's folder and replaces its `@NAME@`s. */
  fill(template: URL, target: string, values: Readonly<Record<string, string | number>>): string {
    const text = readFileSync(template, "utf8").replaceAll(/@([A-Z_]+)@/g, (whole, name: string) => {
      const value = values[name];
      if (value === undefined) throw new Error(`${template.pathname}: no value for ${whole}`);
      return String(value);
    });
    writeFileSync(this.file(target), text);
    return this.file(target);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
