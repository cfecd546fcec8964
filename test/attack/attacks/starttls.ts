/** Plain text put behind STARTTLS, in both directions (RFC 3207 §6): none of it may be run, or believed. */
import { createServer, type Server } from "node:net";
import { type Attack, Breach, repeatedly, sleep, stranger } from "../attack.ts";
import { hostileAddress, insideAddress, serverAddress } from "../networks.ts";
import { Peer } from "../peer.ts";

const smuggled = "MAIL FROM:<evil@attack.test>\r\nRCPT TO:<ann@example.org>\r\n";

/** Commands in the segment of STARTTLS, and between its 220 and the handshake. */
export const commandsBehindStartTls: Attack = {
  name: "commands behind STARTTLS",
  run: async (setting) => {
    let told = 0;
    let secured = 0;
    const turns = await repeatedly(4 * setting.scale, setting.durationMs, async () => {
      using together = await stranger(setting, "mx");
      if (await together.introduces()) {
        together.write(`STARTTLS\r\n${smuggled}`);
        const answer = await together.hears(/^\d{3} .*\r\n/m);
        if (answer?.startsWith("220") === true) throw new Breach(`STARTTLS with more behind it got ${answer.trim()}`);
        told++;
      }
      using between = await stranger(setting, "mx");
      if ((await between.introduces()) && (await between.says("STARTTLS"))?.startsWith("220") === true) {
        between.write(smuggled);
        await between.secure();
        if (between.closed) return;
        secured++;
        const answer = await between.says("RCPT TO:<ann@example.org>");
        if (answer?.startsWith("250") === true) throw new Breach("a command in clear counts under TLS");
      }
    });
    return `${turns} tries; ${told} refused, ${turns - secured} handshakes broken`;
  },
};

/** A mail server that puts replies behind its 220 to STARTTLS. Gives what it was told in clear after that. */
export function hostileMailServer(): { readonly server: Server; readonly heard: string[]; tries(): number } {
  const heard: string[] = [];
  let tries = 0;
  const server = createServer((socket) => {
    let isOver = false;
    socket.on("error", () => undefined);
    socket.write("220 evil.test\r\n");
    socket.on("data", (bytes: Buffer) => {
      if (isOver) {
        // The first octet of a handshake is 22.
        heard.push(bytes[0] === 22 ? "handshake" : bytes.toString("latin1"));
        return;
      }
      const line = bytes.toString("latin1");
      if (/^EHLO /i.test(line)) return void socket.write("250-evil.test\r\n250 STARTTLS\r\n");
      if (!/^STARTTLS/i.test(line)) return void socket.write("250 ok\r\n");
      isOver = true;
      tries++;
      socket.write("220 go\r\n250-evil.test\r\n250-SIZE 1\r\n250 AUTH PLAIN\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    });
  });
  return { server, heard, tries: () => tries };
}

/** Our own client, at a server that answers before it is asked. */
export const repliesBehindStartTls: Attack = {
  name: "replies behind our STARTTLS",
  run: async ({ server: { doors }, durationMs, hostilePort }) => {
    const hostile = hostileMailServer();
    await new Promise<void>((resolve) => {
      hostile.server.listen(hostilePort, hostileAddress, resolve);
    });
    try {
      using peer = await Peer.open({ host: serverAddress, port: doors.mx, from: insideAddress });
      if (!(await peer.introduces())) throw new Breach("a client of ours is not let in");
      for (let index = 0; index < 5; index++) {
        await peer.says("MAIL FROM:<ann@example.org>");
        await peer.says(`RCPT TO:<user${index}@evil.test>`);
        await peer.says("DATA");
        await peer.says("Subject: secret\r\n\r\nsecret\r\n.");
      }
      await sleep(durationMs);
      const leaked = hostile.heard.find((text) => /^(?:MAIL|RCPT|DATA|AUTH)/im.test(text));
      if (leaked !== undefined) throw new Breach(`our client said ${leaked.slice(0, 60)} in clear`);
      if (hostile.tries() === 0) throw new Breach("the hostile server was never asked");
      return `${hostile.tries()} sessions of ours; no mail left in clear`;
    } finally {
      hostile.server.close();
    }
  },
};
