/**
 * Connections that our server opened, as it sees them itself: from dialling until it says QUIT or lets go. One that it lost
 * without hearing of it is over for it when it gives up, whatever the other end thinks; so limits can be checked to the one.
 */
import type { Connection, Network } from "../../src/ports/network.ts";

export class SessionsOut {
  /** The most that one life had at once, by address. */
  readonly most = new Map<string, number>();

  /** The network of one life. */
  over(network: Network): Network {
    const open = new Map<string, number>();
    const begin = (address: string): (() => void) => {
      const count = (open.get(address) ?? 0) + 1;
      open.set(address, count);
      this.most.set(address, Math.max(this.most.get(address) ?? 0, count));
      let over = false;
      return () => {
        if (!over) open.set(address, (open.get(address) ?? 0) - 1);
        over = true;
      };
    };
    return {
      listen: (...given) => network.listen(...given),
      connect: async (endpoint, options) => {
        const over = begin(endpoint.kind === "ip" ? endpoint.address : endpoint.path);
        try {
          return watched(await network.connect(endpoint, options), over);
        } catch (error) {
          over();
          throw error;
        }
      },
    };
  }
}

const goodBye = Buffer.from("QUIT\r\n");

function watched(connection: Connection, over: () => void): Connection {
  return {
    local: connection.local,
    remote: connection.remote,
    get tls() {
      return connection.tls;
    },
    channelBinding: (type) => connection.channelBinding(type),
    get bufferedBytes() {
      return connection.bufferedBytes;
    },
    readPreface: (read) => connection.readPreface(read),
    start: (handler) =>
      connection.start({
        data: (bytes) => handler.data(bytes),
        end: () => handler.end(),
        drained: () => handler.drained(),
        closed: (error) => {
          over();
          handler.closed(error);
        },
      }),
    write: (bytes) => {
      if (goodBye.equals(bytes)) over();
      return connection.write(bytes);
    },
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    startTls: (options) => connection.startTls(options),
    end: () => {
      over();
      connection.end();
    },
    destroy: () => {
      over();
      connection.destroy();
    },
    [Symbol.asyncDispose]: () => {
      over();
      return connection[Symbol.asyncDispose]();
    },
  };
}
