/** Debian's Exim on a free port: takes mail for exim.test into a Maildir. */
import { chownSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { Folder } from "./folder.ts";
import { freePort } from "./free-port.ts";
import { peersFolder, startProgram, untilListening } from "./program.ts";

export interface EximPeer extends AsyncDisposable {
  readonly port: number;
  readonly maildir: string;
  log(): string;
}

export async function startExim(): Promise<EximPeer> {
  const folder = new Folder();
  const port = await freePort();
  const nobody = 65534;
  for (const name of ["spool", "mail", "log"]) {
    mkdirSync(folder.file(name));
    chownSync(folder.file(name), nobody, nobody);
  }
  const exim = `${peersFolder}/usr/sbin/exim4`;
  const values = { FOLDER: folder.path, PORT: port, EXIM: exim };
  const configuration = folder.fill(new URL("../exim/exim.conf", import.meta.url), "exim.conf", values);
  const program = startProgram(exim, ["-C", configuration, "-bdf"]);
  await untilListening(port, program);
  return {
    port,
    maildir: folder.file("mail", "box"),
    log: () => (existsSync(folder.file("log/mainlog")) ? readFileSync(folder.file("log/mainlog"), "utf8") : ""),
    async [Symbol.asyncDispose]() {
      await program.stop();
      folder[Symbol.dispose]();
    },
  };
}
