/** Octets that come before a conversation or a handshake, taken from a socket without the rest. */
import type { Socket } from "node:net";
import { NetworkError } from "../../ports/network.ts";

/** See {@link Connection.readPreface}. The socket must have no reader yet. */
export function readPreface(socket: Socket, read: (octets: Uint8Array) => number | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let octets = Buffer.alloc(0);
  const stop = () => {
    socket.off("readable", onReadable);
    socket.off("end", onGone);
    socket.off("close", onGone);
  };
  const onGone = () => {
    stop();
    reject(new NetworkError("ECONNRESET", "the peer closed the connection before it had said who it is"));
  };
  const onReadable = () => {
    const more = socket.read() as Buffer | null;
    if (more === null) return;
    octets = Buffer.concat([octets, more]);
    const used = read(octets);
    if (used === undefined) return;
    stop();
    if (used < octets.length) socket.unshift(octets.subarray(used));
    resolve();
  };
  socket.on("readable", onReadable);
  socket.on("end", onGone);
  socket.on("close", onGone);
  if (socket.destroyed) onGone();
  return promise;
}
