/** Hosts whose demand is decided: how much of them is kept, and the order in which one attempt tries them. */
import type { Random } from "../ports/random.ts";
import { interleave, shuffled } from "./host-addresses.ts";
import type { HopHost } from "./next-hop.ts";

export type JudgedHost = Pick<HopHost, "name" | "secure" | "tls"> & {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
};

const addressesPerHostMax = 8;
/** Of one family and host, and kept: an answer may hold thousands. Which of these are tried is drawn anew each time. */
const addressesKeptMax = 16;
const entryOctets = 300;
const hostOctets = 400;
const addressOctets = 60;
const recordOctets = 100;

/** With as many addresses as are kept. */
export function bounded({ name, ipv4, ipv6 }: Pick<JudgedHost, "name" | "ipv4" | "ipv6">) {
  return { name, ipv4: ipv4.slice(0, addressesKeptMax), ipv6: ipv6.slice(0, addressesKeptMax) };
}

/** What one entry of the memory takes. */
export function octetsOf(hosts: readonly JudgedHost[]): number {
  const octets = hosts.map(
    ({ ipv4, ipv6, tls: { demand } }) =>
      hostOctets +
      addressOctets * (ipv4.length + ipv6.length) +
      (demand.kind === "dane" ? demand.records.reduce((sum, { data }) => sum + recordOctets + data.length, 0) : 0),
  );
  return octets.reduce((sum, ofHost) => sum + ofHost, entryOctets);
}

/** Gives the hosts in an order for one attempt: by preference, equals shuffled, addresses of equal rank too. */
export function inOrder(
  preferences: readonly (readonly JudgedHost[])[],
  random: Random,
  { ipv6First }: { readonly ipv6First: boolean },
): () => readonly HopHost[] {
  const hopHost = ({ ipv4, ipv6, ...host }: JudgedHost): HopHost => {
    const [first, second] = ipv6First ? [ipv6, ipv4] : [ipv4, ipv6];
    return { ...host, addresses: interleave(shuffled(first, random), shuffled(second, random), addressesPerHostMax) };
  };
  const order = () => preferences.flatMap((equals) => shuffled(equals, random).map(hopHost));
  const nothingToShuffle = preferences.every(
    (equals) => equals.length < 2 && equals.every(({ ipv4, ipv6 }) => ipv4.length < 2 && ipv6.length < 2),
  );
  if (!nothingToShuffle) return order;
  const only = order();
  return () => only;
}
