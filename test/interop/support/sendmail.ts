/**
 * Debian's Sendmail on a free port: keeps mail for sendmail.test as one file each, sends all else to one next hop. It
 * runs in namespaces of its own: Sendmail sleeps a minute on hosts that have no full name, and its children, which leave
 * their process group, end with it.
 */
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Folder } from "./folder.ts";
import { freePort } from "./free-port.ts";
import { peersFolder, runProgram, startProgram, untilListening } from "./program.ts";

export interface SendmailPeer extends AsyncDisposable {
  readonly port: number;
  /** One file per message. */
  readonly mailFolder: string;
  output(): string;
}

export async function startSendmail({ nextPort }: { readonly nextPort: number }): Promise<SendmailPeer> {
  const folder = new Folder();
  const port = await freePort();
  const nobody = 65534;
  for (const name of ["queue", "mail"]) mkdirSync(folder.file(name), 0o700);
  chownSync(folder.file("mail"), nobody, nobody);
  const macros = folder.fill(new URL("../sendmail/sendmail.mc", import.meta.url), "sendmail.mc", {
    FOLDER: folder.path,
    PORT: port,
    NEXT_PORT: nextPort,
  });
  const cf = `${peersFolder}/usr/share/sendmail/cf`;
  const make = 'm4 "-D_CF_DIR_=$1/" "$1/m4/cf.m4" "$2" > "$3"';
  const made = await runProgram("sh", ["-c", make, "sh", cf, macros, folder.file("sendmail.cf")]);
  if (made.status !== 0) throw new Error(`m4: ${made.output}`);
  writeFileSync(folder.file("service.switch"), "hosts files\naliases files\n");
  writeFileSync(folder.file("hosts"), "127.0.0.1 sendmail.test localhost\n");
  writeFileSync(
    folder.file("store"),
    `#!/bin/sh\nname=$(date +%s%N).$$\ncat > "${folder.path}/mail/tmp.$name" && mv "${folder.path}/mail/tmp.$name" "${folder.path}/mail/$name"\n`,
  );
  chmodSync(folder.file("store"), 0o755);
  const enter = 'hostname sendmail.test && mount --bind "$1" /etc/hosts && exec "$2" -C "$3" -bD -q1m';
  const binary = `${peersFolder}/usr/libexec/sendmail/sendmail`;
  const program = startProgram("unshare", [
    ...["--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", enter, "sh"],
    ...[folder.file("hosts"), binary, folder.file("sendmail.cf")],
  ]);
  await untilListening(port, program);
  return {
    port,
    mailFolder: folder.file("mail"),
    output: program.output,
    async [Symbol.asyncDispose]() {
      // The first process of the namespace gone, the kernel ends the others. It has to be named: Sendmail is set-group-id,
      // so it forgot that it was to end with its parent.
      const { pid } = program.child;
      const first = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"));
      process.kill(first, "SIGKILL");
      await program.stop();
      folder[Symbol.dispose]();
    },
  };
}
