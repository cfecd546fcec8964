/**
 * Keeps buffers that nobody needs any more from gathering. Each read of a socket or a file allocates its own buffer
 * outside the JavaScript heap, and the engine, which counts mostly what is inside, may let 70 MB of them lie before it
 * looks: more than the whole of a large message. So after a number of octets it is asked for its small collection, which
 * takes about a millisecond, because little lives.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Octets of large reads between two collections: some 80 ms of the fastest transfer, and a bound that is a quarter of the goal. */
const bytesBetween = 8 * 1024 * 1024;
/** Smaller reads are those of commands and ordinary mail, which the engine keeps up with. */
const largeReadBytes = 8 * 1024;

let collect: ((options: { readonly type: "minor" }) => void) | undefined;
let bytesSince = 0;

/** To be called with the length of each read. */
export function noteRead(length: number): void {
  if (length < largeReadBytes) return;
  bytesSince += length;
  if (bytesSince < bytesBetween) return;
  bytesSince = 0;
  collect ??= collector();
  collect({ type: "minor" });
}

/** The engine's own function, which it shows only to contexts made while the flag is set. */
function collector(): NonNullable<typeof collect> {
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  return typeof gc === "function" ? (gc as NonNullable<typeof collect>) : () => undefined;
}
