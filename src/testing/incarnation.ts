/**
 * One life of a server process in a simulation: its ports, and a way to kill it. A killed process does nothing more: its
 * timers never fire, what it waits for never comes, its connections are reset, its files are closed.
 */
import { dirname } from "node:path";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Files, OpenFile } from "../ports/files.ts";
import type { Log } from "../ports/log.ts";
import type { Connection, Network, NetworkListener } from "../ports/network.ts";
import type { Resolver } from "../ports/resolver.ts";

export interface MachinePorts {
  readonly clock: Clock;
  readonly network: Network;
  readonly files: Files;
  readonly log: Log;
  /** The resolver of one life, which knows nothing of the life before. */
  readonly makeResolver: (ports: { readonly clock: Clock; readonly log: Log }) => Resolver;
}

export class Incarnation {
  readonly clock: Clock;
  readonly network: Network;
  readonly files: Files;
  readonly resolver: Resolver;
  readonly log: Log;
  /** Resolves when it is killed. */
  readonly death: Promise<void>;
  #dead = false;
  /** One of its own: what waits for it is kept for as long as the promise is, and a long run has many lives. */
  readonly #never = new Promise<never>(() => undefined);
  readonly #die: () => void;
  readonly #timers = new Set<Timer>();
  /** As the process owns its resolver, a question that nobody waits for any more may outlive a stop by seconds. */
  readonly #resolverTimers = new Set<Timer>();
  readonly #listeners = new Set<NetworkListener>();
  readonly #connections = new Set<Connection & { reset?: () => void }>();
  readonly #openFiles = new Set<OpenFile>();
  /** Of the network, the disk and DNS: asked for, and not answered yet. */
  #unanswered = 0;

  constructor(machine: MachinePorts) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.death = promise;
    this.#die = resolve;
    this.clock = this.#mortalClock(machine.clock, this.#timers);
    this.network = this.#mortalNetwork(machine.network);
    this.files = this.#mortalFiles(machine.files);
    this.log = this.#mortalLog(machine.log);
    const clock = this.#mortalClock(machine.clock, this.#resolverTimers);
    // Without its timers it answers nothing but what it knows.
    this.resolver = machine.makeResolver({ clock, log: this.log });
  }

  get isDead(): boolean {
    return this.#dead;
  }

  /** What it has of each; a server that stopped has none. */
  get leftovers(): Readonly<Record<"timers" | "listeners" | "connections" | "files" | "promises", number>> {
    return {
      timers: this.#timers.size,
      listeners: this.#listeners.size,
      connections: this.#connections.size,
      files: this.#openFiles.size,
      promises: this.#unanswered,
    };
  }

  /** As SIGKILL does. The system closes what was open: peers hear of it. */
  kill(): void {
    this.#dead = true;
    this.#die();
    for (const timer of [...this.#timers, ...this.#resolverTimers]) timer.cancel();
    for (const listener of this.#listeners) listener.close().catch(() => undefined);
    for (const connection of this.#connections) connection.destroy();
    this.#timers.clear();
    this.#resolverTimers.clear();
    this.#listeners.clear();
    this.#connections.clear();
  }

  /** What a dead process waits for never comes. */
  async mortal<T>(work: Promise<T>): Promise<T> {
    if (this.#dead) {
      // Nobody hears of its failure either.
      work.catch(() => undefined);
      return await this.#never;
    }
    this.#unanswered++;
    try {
      const result = await work;
      return this.isDead ? await this.#never : result;
    } catch (error) {
      if (this.isDead) return await this.#never;
      throw error;
    } finally {
      this.#unanswered--;
    }
  }

  #mortalClock(clock: Clock, timers: Set<Timer>): Clock {
    const setTimer = (delayMs: number, callback: () => void): Timer => {
      if (this.#dead) return { cancel: () => undefined };
      const timer = clock.setTimer(delayMs, () => {
        timers.delete(handle);
        callback();
      });
      const handle: Timer = {
        cancel: () => {
          timers.delete(handle);
          timer.cancel();
        },
      };
      timers.add(handle);
      return handle;
    };
    const sleep = async (delayMs: number, { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> => {
      signal?.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const onAbort = () => {
        timer.cancel();
        reject(signal?.reason as Error);
      };
      const timer = setTimer(delayMs, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
      await promise;
    };
    const timeout = (delayMs: number): AbortSignal => {
      const controller = new AbortController();
      setTimer(delayMs, () => controller.abort(new DOMException("The operation timed out", "TimeoutError")));
      return controller.signal;
    };
    return { now: () => clock.now(), monotonicMs: () => clock.monotonicMs(), setTimer, sleep, timeout };
  }

  #mortalNetwork(network: Network): Network {
    const keep = (connection: Connection): Connection => this.#mortalConnection(connection);
    return {
      listen: async (endpoint, options) => {
        const listener = await this.mortal(
          network.listen(endpoint, { ...options, accept: (connection) => options.accept(keep(connection)) }),
        );
        const close = async () => {
          this.#listeners.delete(handle);
          await listener.close();
        };
        const handle: NetworkListener = { endpoint: listener.endpoint, close, [Symbol.asyncDispose]: close };
        this.#listeners.add(handle);
        return handle;
      },
      connect: async (endpoint, options) => {
        const connecting = network.connect(endpoint, options);
        connecting.then(
          (connection) => {
            if (this.#dead) connection.destroy();
          },
          () => undefined,
        );
        return keep(await this.mortal(connecting));
      },
    };
  }

  #mortalConnection(connection: Connection): Connection {
    this.#connections.add(connection);
    let isStarted = false;
    // Who has not started hears of no end.
    const forget = () => isStarted || this.#connections.delete(connection);
    const mortal: Connection = {
      local: connection.local,
      remote: connection.remote,
      get tls() {
        return connection.tls;
      },
      channelBinding: (type) => connection.channelBinding(type),
      get bufferedBytes() {
        return connection.bufferedBytes;
      },
      readPreface: (read) => this.mortal(connection.readPreface(read)),
      start: (handler) => {
        isStarted = true;
        connection.start({
          data: (bytes) => this.#dead || handler.data(bytes),
          end: () => this.#dead || handler.end(),
          drained: () => this.#dead || handler.drained(),
          closed: (error) => {
            this.#connections.delete(connection);
            if (!this.#dead) handler.closed(error);
          },
        });
      },
      write: (bytes) => !this.#dead && connection.write(bytes),
      pause: () => connection.pause(),
      resume: () => connection.resume(),
      startTls: (options) => this.mortal(connection.startTls(options)),
      end: () => connection.end(),
      destroy: () => {
        connection.destroy();
        forget();
      },
      [Symbol.asyncDispose]: () => {
        forget();
        return connection[Symbol.asyncDispose]();
      },
    };
    return mortal;
  }

  #mortalFiles(files: Files): Files {
    const file = (opened: OpenFile): OpenFile => {
      this.#openFiles.add(opened);
      const close = async (): Promise<void> => {
        this.#openFiles.delete(opened);
        await this.mortal(opened.close());
      };
      return {
        write: (bytes) => this.mortal(opened.write(bytes)),
        read: (position, length) => this.mortal(opened.read(position, length)),
        sync: () => this.mortal(opened.sync()),
        close,
        [Symbol.asyncDispose]: close,
      };
    };
    return {
      open: async (...given) => file(await this.mortal(files.open(...given))),
      readFile: (...given) => this.mortal(files.readFile(...given)),
      // Several calls of the system, between which a process may end.
      replaceFile: async (path, bytes, permissions) => {
        const temporary = `${path}.tmp`;
        await this.files.remove(temporary);
        {
          await using written = await this.files.open(temporary, "create", permissions);
          await written.write(bytes);
          await written.sync();
        }
        await this.files.rename(temporary, path);
        await this.files.syncDirectory(dirname(path));
      },
      makeDirectory: (...given) => this.mortal(files.makeDirectory(...given)),
      setPermissions: (...given) => this.mortal(files.setPermissions(...given)),
      syncDirectory: (...given) => this.mortal(files.syncDirectory(...given)),
      rename: (...given) => this.mortal(files.rename(...given)),
      remove: (...given) => this.mortal(files.remove(...given)),
      list: (...given) => this.mortal(files.list(...given)),
      stat: (...given) => this.mortal(files.stat(...given)),
      freeBytes: (...given) => this.mortal(files.freeBytes(...given)),
    };
  }

  #mortalLog(log: Log): Log {
    return {
      event: (...given) => {
        if (!this.#dead) log.event(...given);
      },
      with: (fields) => this.#mortalLog(log.with(fields)),
    };
  }
}
