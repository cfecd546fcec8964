/**
 * The servers behind the one under test: one that behaves, and one that stalls, hangs up, and answers 4yz and 5yz at
 * random until it is healed.
 */
import { createServer, type Socket } from "node:net";

export interface NextHop extends AsyncDisposable {
  readonly port: number;
}

/** What is done with one message. */
type Mood =
  "take" | "stall" | "drop-at-mail" | "drop-in-content" | "drop-before-reply" | "defer" | "defer-content" | "refuse";

/** Of a hundred messages; the others are taken. */
const moods: readonly (readonly [Mood, number])[] = [
  ["stall", 4],
  ["drop-at-mail", 4],
  ["drop-in-content", 4],
  ["drop-before-reply", 4],
  ["defer", 12],
  ["defer-content", 6],
  ["refuse", 10],
];

const endOfData = Buffer.from("\r\n.\r\n");

/** `faulty` is asked for each message. Recipients in refuse.test are refused for good. */
export async function startNextHop(options: {
  readonly came: (content: Buffer, report: boolean) => void;
  readonly faulty: () => boolean;
}): Promise<NextHop> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket, options);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function serve(
  socket: Socket,
  { came, faulty }: { readonly came: (content: Buffer, report: boolean) => void; readonly faulty: () => boolean },
): void {
  let commands = "";
  let content: Buffer[] | undefined;
  let report = false;
  let mood: Mood = "take";
  let recipients = 0;

  const command = (line: string) => {
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === "EHLO") socket.write("250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n");
    else if (verb === "MAIL") {
      recipients = 0;
      report = line.slice(0, 12).toUpperCase() === "MAIL FROM:<>";
      mood = faulty() ? chooseMood() : "take";
      if (mood === "drop-at-mail") socket.destroy();
      else if (mood !== "stall") socket.write("250 2.1.0 ok\r\n");
    } else if (verb === "RCPT") {
      if (mood === "refuse" || line.includes("@refuse.test>")) socket.write("550 5.1.1 nobody of that name\r\n");
      else if (mood === "defer") socket.write("451 4.3.0 not now\r\n");
      else if (mood !== "stall") {
        recipients++;
        socket.write("250 2.1.5 ok\r\n");
      }
    } else if (verb === "DATA") {
      if (mood === "stall") return;
      // It may come in one go with recipients that were all refused (RFC 2920 §3.1).
      if (recipients === 0) socket.write("554 5.5.1 no recipients\r\n");
      else {
        content = [];
        socket.write("354 go on\r\n");
      }
    } else if (verb === "QUIT") socket.end("221 2.0.0 bye\r\n");
    else socket.write("250 2.0.0 ok\r\n");
  };

  const endContent = (bytes: Buffer) => {
    content = undefined;
    if (mood === "defer-content") {
      socket.write("452 4.3.1 no room now\r\n");
      return;
    }
    came(bytes, report);
    if (mood === "drop-before-reply") socket.destroy();
    else socket.write("250 2.0.0 taken\r\n");
  };

  socket.on("error", () => undefined);
  socket.on("data", (bytes: Buffer) => {
    if (content !== undefined) {
      content.push(bytes);
      if (mood === "drop-in-content") {
        socket.destroy();
        return;
      }
      // The client waits for the reply behind the end of data, so nothing follows it in the same read.
      const tail = bytes.length >= endOfData.length ? bytes : Buffer.concat(content).subarray(-endOfData.length);
      if (tail.subarray(-endOfData.length).equals(endOfData)) endContent(Buffer.concat(content));
      return;
    }
    commands += bytes.toString("latin1");
    for (let end = commands.indexOf("\r\n"); end !== -1; end = commands.indexOf("\r\n")) {
      const line = commands.slice(0, end);
      commands = commands.slice(end + 2);
      command(line);
      if (socket.destroyed) return;
    }
  });
  socket.write("220 sink.test ESMTP\r\n");
}

function chooseMood(): Mood {
  let left = Math.random() * 100;
  for (const [mood, share] of moods) {
    left -= share;
    if (left < 0) return mood;
  }
  return "take";
}
