/** Debian's Dovecot: LMTP on a port and on a unix socket, IMAP on a port; any user, the password is "secret". */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { Folder } from "./folder.ts";
import { freePort } from "./free-port.ts";
import { runProgram, startProgram, until, untilListening } from "./program.ts";

export interface DovecotPeer extends AsyncDisposable {
  readonly lmtpPort: number;
  readonly lmtpSocket: string;
  readonly imapPort: number;
  /** Checks passwords. */
  readonly authSocket: string;
  /** Finds users, which is another protocol. */
  readonly masterSocket: string;
  log(): string;
}

/** `mailFolder`: Maildirs are in `mailFolder/{domain}/{user}`, and belong to nobody (uid 65534). */
export async function startDovecot(mailFolder: string): Promise<DovecotPeer> {
  const folder = new Folder();
  mkdirSync(folder.file("run"));
  const [lmtpPort, imapPort] = [await freePort(), await freePort()];
  const configuration = folder.fill(new URL("../dovecot/dovecot.conf", import.meta.url), "dovecot.conf", {
    FOLDER: folder.path,
    MAIL: mailFolder,
    LMTP_PORT: lmtpPort,
    IMAP_PORT: imapPort,
  });
  const log = () => (existsSync(folder.file("log")) ? readFileSync(folder.file("log"), "utf8") : "");
  const program = startProgram("dovecot", ["-F", "-c", configuration]);
  const told = { ...program, output: () => program.output() + log() };
  await untilListening(lmtpPort, told);
  await untilListening(imapPort, told);
  // Dovecot opens its ports before its sockets.
  const sockets = ["lmtp.sock", "auth-client", "run/auth-master"].map((name) => folder.file(name));
  await until("Dovecot's sockets", () => sockets.every((path) => existsSync(path)), told);
  return {
    lmtpPort,
    lmtpSocket: folder.file("lmtp.sock"),
    imapPort,
    authSocket: folder.file("auth-client"),
    masterSocket: folder.file("run/auth-master"),
    log,
    async [Symbol.asyncDispose]() {
      await runProgram("doveadm", ["-c", configuration, "stop"]);
      await program.stop();
      folder[Symbol.dispose]();
    },
  };
}
