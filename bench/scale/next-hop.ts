/** A next hop that takes everything and keeps nothing, or that stops reading in the middle of content. */
import { createServer, type Socket } from "node:net";

export interface NextHop extends AsyncDisposable {
  readonly port: number;
  /** Messages taken, octets of content taken, and when (by `performance.now`) the first MAIL came. */
  readonly messages: number;
  readonly octets: number;
  readonly firstMailAt: number | undefined;
  /** Resolves when so many messages are taken. */
  taken(messages: number): Promise<void>;
}

export interface NextHopOptions {
  /** Octets of content after which it reads no more. */
  readonly stopReadingAfter?: number;
  /** Called for each message that is taken, with the local part of its last recipient. */
  readonly onTaken?: (localPart: string) => void;
}

export async function startNextHop(options: NextHopOptions = {}): Promise<NextHop> {
  const sockets = new Set<Socket>();
  const waiting: { readonly messages: number; readonly resolve: () => void }[] = [];
  const state = { messages: 0, octets: 0, firstMailAt: undefined as number | undefined };
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    let inContent = false;
    let tail = "";
    let localPart = "";
    socket.on("data", (bytes: Buffer) => {
      if (!inContent) {
        for (const line of bytes.toString("latin1").split("\r\n")) {
          const verb = line.slice(0, 4).toUpperCase();
          if (verb === "") continue;
          if (verb === "MAIL") state.firstMailAt ??= performance.now();
          if (verb === "RCPT") localPart = line.slice(line.indexOf("<") + 1, line.lastIndexOf("@"));
          if (verb === "EHLO") socket.write("250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
          else if (verb === "DATA") {
            inContent = true;
            tail = "";
            socket.write("354 go on\r\n");
          } else if (verb === "QUIT") socket.end("221 2.0.0 bye\r\n");
          else socket.write("250 2.0.0 ok\r\n");
        }
        return;
      }
      state.octets += bytes.length;
      if (options.stopReadingAfter !== undefined && state.octets >= options.stopReadingAfter) socket.pause();
      // The client waits for the reply after the end of data, so nothing follows it in the same read.
      tail = (tail + bytes.toString("latin1", Math.max(0, bytes.length - 5))).slice(-5);
      if (tail !== "\r\n.\r\n") return;
      inContent = false;
      state.messages++;
      options.onTaken?.(localPart);
      socket.write("250 2.0.0 taken\r\n");
      for (const { messages, resolve } of waiting) if (state.messages >= messages) resolve();
    });
    socket.write("220 sink.test ESMTP\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    port,
    get messages() {
      return state.messages;
    },
    get octets() {
      return state.octets;
    },
    get firstMailAt() {
      return state.firstMailAt;
    },
    taken: (messages) =>
      new Promise((resolve) => {
        if (state.messages >= messages) resolve();
        else waiting.push({ messages, resolve });
      }),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
