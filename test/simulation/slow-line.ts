/**
 * Lines that a peer answers over: late, as a tarpit does, or never again without saying so, as a machine that lost its
 * power does. Wraps the network that the peer listens on, so that the peer itself stays an ordinary one.
 */
import type { Clock } from "../../src/ports/clock.ts";
import type { Connection, ConnectionHandler, Network } from "../../src/ports/network.ts";

export class SlowLine {
  /** How much later than the peer wrote it the next answer leaves. */
  delayMs = 0;
  /** When it went silent, in monotonic time. */
  readonly silences: number[] = [];
  readonly #clock: Clock;
  readonly #opened: () => void;
  readonly #open = new Set<Half>();

  /** `opened` is called for each connection. */
  constructor(clock: Clock, opened: () => void) {
    this.#clock = clock;
    this.#opened = opened;
  }

  /** The network as the peer has it. */
  over(network: Network): Network {
    return {
      connect: (...given) => network.connect(...given),
      listen: (endpoint, options) =>
        network.listen(endpoint, { ...options, accept: (connection) => options.accept(this.#wrap(connection)) }),
    };
  }

  /** Connections that are open now are half-open from here on: what the other end sends is gone, and nothing comes. */
  goSilent(): void {
    this.silences.push(this.#clock.monotonicMs());
    for (const half of this.#open) half.silent = true;
  }

  #wrap(connection: Connection): Connection {
    this.#opened();
    const half: Half = { silent: false };
    this.#open.add(half);
    let last = 0;
    /** In order, however the delay changes. */
    const inTurn = (act: () => void): void => {
      const now = this.#clock.monotonicMs();
      last = Math.max(last, now + this.delayMs);
      if (last <= now) return act();
      this.#clock.setTimer(last - now, () => half.silent || act());
    };
    const heard = (handler: ConnectionHandler): ConnectionHandler => ({
      data: (bytes) => half.silent || handler.data(bytes),
      // Nobody is there to say good-bye; the other end has given up.
      end: () => (half.silent ? connection.destroy() : handler.end()),
      drained: () => handler.drained(),
      closed: (error) => {
        this.#open.delete(half);
        handler.closed(error);
      },
    });
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
      start: (handler) => connection.start(heard(handler)),
      write: (bytes) => {
        if (!half.silent) inTurn(() => void connection.write(bytes));
        return true;
      },
      pause: () => connection.pause(),
      resume: () => connection.resume(),
      startTls: (options) => connection.startTls(options),
      end: () => half.silent || inTurn(() => connection.end()),
      destroy: () => half.silent || connection.destroy(),
      [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
    };
  }
}

interface Half {
  silent: boolean;
}
