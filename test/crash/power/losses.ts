/** Which moments are worth a power loss, and what may be lost at each. */
import type { SeededRandom } from "../../../src/testing/seeded-random.ts";
import type { Loss } from "./recorded-disk.ts";
import type { Step } from "./trace.ts";

/** Steps after which the power goes, in order: half where something was just promised, named or synced, half anywhere. */
export function cutsOf(steps: readonly Step[], count: number, random: SeededRandom): readonly number[] {
  const turning = steps.flatMap(({ edge, call }, index) => {
    const turns = call.kind === "say" ? edge === "begin" : call.kind !== "write";
    return turns ? [index] : [];
  });
  const cuts: number[] = [];
  for (let number = 0; number < count; number++) {
    // Spread over the whole run, by chance within each part.
    const at = (number + random.next()) / count;
    cuts.push(number % 2 === 0 ? (turning[Math.floor(at * turning.length)] ?? 0) : Math.floor(at * steps.length));
  }
  return cuts.toSorted((a, b) => a - b);
}

/** The kinds in turn, so that some hundred cuts see each many times. */
export function lossOf(number: number, random: SeededRandom): Loss {
  const chance = (share: number) => () => random.next() < share;
  const always = () => true;
  const never = () => false;
  const data = (keepsSector: () => boolean, sectorBytes = 4096) => ({ keepsSector, sectorBytes });
  const share = [0.1, 0.5, 0.9][Math.floor(number / 7) % 3] ?? 0.5;
  switch (number % 7) {
    case 0:
      return { name: "all that was not synced", keepsNaming: never, keepsTruncation: never, ...data(never) };
    case 1:
      return { name: "nothing", keepsNaming: always, keepsTruncation: always, ...data(always) };
    case 2:
      return { name: "names", keepsNaming: never, keepsTruncation: chance(0.5), ...data(always) };
    case 3:
      return { name: "contents", keepsNaming: always, keepsTruncation: chance(0.5), ...data(never) };
    case 4: {
      const keeps = chance(share);
      return { name: `some of 4096 octets (${share})`, keepsNaming: keeps, keepsTruncation: keeps, ...data(keeps) };
    }
    case 5: {
      const keeps = chance(share);
      return { name: `some of 512 octets (${share})`, keepsNaming: keeps, keepsTruncation: keeps, ...data(keeps, 512) };
    }
    default: {
      // In order, and torn where it ends.
      let left = Math.floor(random.next() * 400);
      const keeps = () => left-- > 0;
      return { name: "the last writes", keepsNaming: always, keepsTruncation: keeps, ...data(keeps, 512) };
    }
  }
}
