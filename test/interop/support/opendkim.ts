/** OpenDKIM as a milter that signs: the daemon that most Postfix servers sign with. */
import { writeFileSync } from "node:fs";
import type { DkimKey } from "./dkim-keys.ts";
import { Folder } from "./folder.ts";
import { freePort } from "./free-port.ts";
import { startProgram, untilListening } from "./program.ts";

export interface OpenDkim extends AsyncDisposable {
  readonly port: number;
  output(): string;
}

export async function startOpenDkim(options: {
  readonly key: DkimKey;
  readonly algorithm: "rsa-sha256" | "ed25519-sha256";
  readonly canonicalization: "simple/simple" | "relaxed/relaxed" | "relaxed/simple";
}): Promise<OpenDkim> {
  const { key, algorithm, canonicalization } = options;
  const folder = new Folder();
  writeFileSync(folder.file("internal-hosts"), "127.0.0.0/8\n");
  writeFileSync(folder.file("key-table"), `it ${key.domain}:${key.selector}:${key.pemFile}\n`);
  writeFileSync(folder.file("signing-table"), `*@${key.domain} it\n`);
  const port = await freePort();
  const file = folder.fill(new URL("../opendkim/opendkim.conf", import.meta.url), "opendkim.conf", {
    FOLDER: folder.path,
    PORT: port,
    CANONICALIZATION: canonicalization,
    ALGORITHM: algorithm,
  });
  const program = startProgram("opendkim", ["-f", "-x", file]);
  await untilListening(port, program);
  return {
    port,
    output: () => program.output(),
    async [Symbol.asyncDispose]() {
      await program.stop();
      folder[Symbol.dispose]();
    },
  };
}
