/** Passwords guessed from many networks, and handshakes for their own sake. */
import { type Attack, Breach, repeatedly, stranger } from "../attack.ts";
import { login } from "../attacked-server.ts";

/** Each guess from a network of its own, so that none of them has a history. */
export const bruteForce: Attack = {
  name: "brute force over many networks",
  run: async (setting) => {
    let answered = 0;
    let turnedAway = 0;
    let at = 0;
    const guesses = await repeatedly(4 * setting.scale, setting.durationMs, async () => {
      using peer = await stranger(setting, "submissions");
      if (!(await peer.introduces())) return void turnedAway++;
      for (let turn = 0; turn < 3 && !peer.closed; turn++) {
        const user = at++ % 3 === 0 ? login.user : `user${at}@example.org`;
        const response = Buffer.from(`\0${user}\0guess ${at}`).toString("base64");
        const answer = await peer.says(`AUTH PLAIN ${response}`);
        if (answer?.startsWith("235") === true) throw new Breach("a guess was let in");
        if (answer?.startsWith("535") === true) answered++;
        else turnedAway++;
      }
    });
    return `${guesses} sessions, ${answered} guesses answered 535, ${turnedAway} turned away`;
  },
};

/** TLS 1.2 lets a client ask for handshakes within a connection: each costs the server more than the client. */
export const renegotiation: Attack = {
  name: "renegotiation",
  run: async (setting) => {
    let most = 0;
    const connections = await repeatedly(4 * setting.scale, setting.durationMs, async () => {
      using peer = await stranger(setting, "mx");
      if (!(await peer.introduces()) || (await peer.says("STARTTLS"))?.startsWith("220") !== true) return;
      const socket = await peer.secure({ maxVersion: "TLSv1.2" });
      let done = 0;
      while (done < 50 && !peer.closed) {
        const isDone = await new Promise<boolean>((resolve) => {
          socket.once("close", () => resolve(false));
          // A server that refuses it may say nothing.
          setTimeout(() => resolve(false), 500);
          if (!socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error === null))) resolve(false);
        });
        if (!isDone) break;
        done++;
      }
      most = Math.max(most, done);
    });
    if (most > 3) throw new Breach(`one connection had ${most} renegotiations`);
    return `${connections} connections, at most ${most} renegotiations each`;
  },
};

export const handshakeFlood: Attack = {
  name: "handshake flood",
  run: async (setting) => {
    const count = await repeatedly(4 * setting.scale, setting.durationMs, async () => {
      using _ = await stranger(setting, "submissions");
    });
    return `${count} handshakes`;
  },
};
