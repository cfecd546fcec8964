/** The Sender Rewriting Scheme daemon that Postfix asks: two tables over TCP (Postfix's tcp_table(5)). */
import { connect } from "node:net";
import { writeFileSync } from "node:fs";
import { Folder } from "./folder.ts";
import { freePort } from "./free-port.ts";
import { startProgram, untilListening } from "./program.ts";

export interface PostSrsd extends AsyncDisposable {
  /** What it makes of a reverse-path. */
  rewrite(address: string): Promise<string>;
  /** What it reads from a rewritten one. */
  restore(address: string): Promise<string>;
}

export async function startPostSrsd(domain: string): Promise<PostSrsd> {
  const folder = new Folder();
  writeFileSync(folder.file("secret"), "a secret of the test\n");
  const [forward, reverse] = [await freePort(), await freePort()];
  const ports = ["-f", String(forward), "-r", String(reverse)];
  const program = startProgram("postsrsd", ["-4", "-s", folder.file("secret"), "-d", domain, ...ports]);
  for (const port of [forward, reverse]) await untilListening(port, program);
  return {
    rewrite: (address) => ask(forward, address),
    restore: (address) => ask(reverse, address),
    async [Symbol.asyncDispose]() {
      await program.stop();
      folder[Symbol.dispose]();
    },
  };
}

function ask(port: number, address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(`get ${address}\n`));
    let answer = "";
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      answer += text;
      if (!answer.endsWith("\n")) return;
      socket.destroy();
      if (answer.startsWith("200 ")) resolve(answer.slice(4).trim());
      else reject(new Error(`postsrsd says of ${address}: ${answer}`));
    });
    socket.on("error", reject);
  });
}
