/** What is read of a simulated connection in front of its conversation; see `Connection.readPreface`. */
import { NetworkError } from "../ports/network.ts";

export class MemoryPreface {
  readonly #settle = Promise.withResolvers<void>();
  readonly #taker: (octets: Uint8Array) => number | undefined;
  #octets: Uint8Array = new Uint8Array();

  constructor(taker: (octets: Uint8Array) => number | undefined) {
    this.#taker = taker;
  }

  get read(): Promise<void> {
    return this.#settle.promise;
  }

  /** What is left once the preface is complete; undefined: it is not. */
  take(piece: Uint8Array): Uint8Array | undefined {
    this.#octets = Buffer.concat([this.#octets, piece]);
    const used = this.#taker(this.#octets);
    if (used === undefined) return undefined;
    this.#settle.resolve();
    return this.#octets.subarray(used);
  }

  fail(): void {
    this.#settle.reject(new NetworkError("ECONNRESET", "the peer closed the connection before it had said who it is"));
  }
}
