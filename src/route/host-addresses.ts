/** Addresses of a host: both families asked at once, and the order in which they are tried. */
import type { Random } from "../ports/random.ts";
import type { DnsAnswer, DnsAsker, Resolver } from "../ports/resolver.ts";

export type HostLookup =
  | {
      readonly kind: "addresses";
      readonly ipv4: readonly string[];
      readonly ipv6: readonly string[];
      /** At the end of CNAMEs. */
      readonly canonicalName: string;
      readonly ttlSeconds: number;
      /** Every answer that was got was validated, also the one that a family has no address (the AD bit, RFC 4035 §3.2.3). */
      readonly secure: boolean;
    }
  /** The name does not exist, or has no address. */
  | { readonly kind: "none" }
  | { readonly kind: "failure"; readonly reason: string };

/** One family is enough; the other's answer is waited for nevertheless, or half of the addresses would be missing at random. */
export async function lookUpHost(resolver: Resolver, name: string, asker: DnsAsker): Promise<HostLookup> {
  const options = { asker };
  const [a, aaaa] = await Promise.all([resolver.query(name, "A", options), resolver.query(name, "AAAA", options)]);
  const found = [a, aaaa].filter((answer) => answer.kind === "records");
  const [first] = found;
  if (first !== undefined) {
    return {
      kind: "addresses",
      ipv4: addressesOf(a),
      ipv6: addressesOf(aaaa),
      canonicalName: first.name,
      ttlSeconds: Math.min(...found.map(({ ttlSeconds }) => ttlSeconds)),
      secure: [a, aaaa].every((answer) => answer.kind === "failure" || answer.secure),
    };
  }
  for (const [type, answer] of Object.entries({ A: a, AAAA: aaaa })) {
    if (answer.kind === "failure") return { kind: "failure", reason: `${type} ${name}: ${answer.reason}` };
  }
  return { kind: "none" };
}

/** Questions for deliveries to one domain or host share. */
export function deliveryTo(destination: string): DnsAsker {
  return { purpose: "outbound", client: destination };
}

function addressesOf(answer: DnsAnswer<"A" | "AAAA">): readonly string[] {
  return answer.kind === "records" ? answer.records : [];
}

/** Alternating between the families, so that a dead one costs every second try only; at most `max`. */
export function interleave(first: readonly string[], second: readonly string[], max: number): string[] {
  const mixed: string[] = [];
  for (let index = 0; mixed.length < max && (index < first.length || index < second.length); index++) {
    for (const family of [first, second]) {
      const address = family[index];
      if (address !== undefined && mixed.length < max) mixed.push(address);
    }
  }
  return mixed;
}

/** Fisher–Yates; a list of one is given back as it is. */
export function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  if (items.length < 2) return items;
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random.next() * (last + 1));
    const moved = result[last] as T;
    result[last] = result[other] as T;
    result[other] = moved;
  }
  return result;
}
