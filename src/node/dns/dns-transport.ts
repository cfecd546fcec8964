/**
 * The resolver's sockets. Each UDP query has a socket, and so a source port, of its own and hears that server only: with the
 * random id, a forger off the path has some 30 bits to guess.
 */
import { createSocket } from "node:dgram";
import { connect } from "node:net";

import type { DnsChannel, DnsListener, DnsServer, DnsTransport } from "./dns-exchange.ts";

export const socketTransport: DnsTransport = { udp: openUdp, tcp: openTcp };

function openUdp(server: DnsServer, bytes: Buffer, heard: DnsListener): DnsChannel {
  const socket = createSocket(server.address.includes(":") ? "udp6" : "udp4");
  let isClosed = false;
  const failed = (error: Error) => {
    if (!isClosed) heard.closed(error.message);
  };
  socket.on("error", failed);
  socket.on("message", (answer) => {
    if (!isClosed) heard.data(answer);
  });
  socket.connect(server.port, server.address, () => {
    if (isClosed) return;
    socket.send(bytes, (error) => {
      if (error) failed(error);
    });
  });
  return {
    close: () => {
      if (isClosed) return;
      isClosed = true;
      socket.close();
    },
  };
}

function openTcp(server: DnsServer, bytes: Buffer, heard: DnsListener): DnsChannel {
  const socket = connect({ host: server.address, port: server.port, autoSelectFamily: false });
  let isClosed = false;
  const closed = (reason: string) => {
    if (!isClosed) heard.closed(reason);
  };
  socket.on("error", (error) => closed(error.message));
  socket.on("close", () => closed("the server closed the connection without an answer"));
  socket.on("data", (piece: Buffer) => {
    if (!isClosed) heard.data(piece);
  });
  socket.write(bytes);
  return {
    close: () => {
      isClosed = true;
      socket.destroy();
    },
  };
}
