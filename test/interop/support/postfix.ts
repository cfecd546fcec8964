/** Debian's Postfix on a free port: takes mail for postfix.test into a Maildir, sends all else to one next hop. */
import { appendFileSync, chmodSync, chownSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { Folder } from "./folder.ts";
import { freePort } from "./free-port.ts";
import { type Program, runProgram, startProgram, untilListening } from "./program.ts";

export interface PostfixPeer extends AsyncDisposable {
  readonly port: number;
  readonly maildir: string;
  readonly processId: number;
  log(): string;
}

/** `nextPort`: where mail for other domains goes. */
export async function startPostfix({
  nextPort,
  configuration = new URL("../postfix/", import.meta.url),
  settings = "",
}: {
  readonly nextPort: number;
  /** Folder with main.cf and master.cf, as a URL that ends in a slash. */
  readonly configuration?: URL;
  /** Lines behind those of main.cf. */
  readonly settings?: string;
}): Promise<PostfixPeer> {
  if (userInfo().uid !== 0) throw new Error("Postfix needs root to start");
  const folder = new Folder();
  const port = await freePort();
  const nobody = 65534;
  for (const name of ["conf", "queue", "data", "mail"]) mkdirSync(folder.file(name));
  chownSync(folder.file("mail"), nobody, nobody);
  chmodSync(folder.file("data"), 0o755);
  const values = { FOLDER: folder.path, PORT: port, NEXT_PORT: nextPort };
  appendFileSync(folder.fill(new URL("main.cf", configuration), "conf/main.cf", values), settings);
  folder.fill(new URL("master.cf", configuration), "conf/master.cf", values);
  const owned = await runProgram("chown", ["postfix", folder.file("data")]);
  if (owned.status !== 0) throw new Error(owned.output);
  const checked = await runProgram("postfix", ["-c", folder.file("conf"), "check"]);
  if (checked.status !== 0) throw new Error(`postfix check: ${checked.output}`);
  const log = () => (existsSync(folder.file("log")) ? readFileSync(folder.file("log"), "utf8") : "");
  const program: Program = startProgram("postfix", ["-c", folder.file("conf"), "start-fg"]);
  await untilListening(port, { ...program, output: log });
  return {
    port,
    maildir: folder.file("mail", "box"),
    processId: program.child.pid ?? 0,
    log,
    async [Symbol.asyncDispose]() {
      await runProgram("postfix", ["-c", folder.file("conf"), "abort"]);
      await program.stop();
      folder[Symbol.dispose]();
    },
  };
}
