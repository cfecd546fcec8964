/** The DNS of the vectors: name → `{"TXT":[["a string","of one record"]],"A":["192.0.2.1"],"MX":["10 mx"]}` or a response code. */
import { StaticResolver } from "./static-resolver.ts";

export type ZoneData = Readonly<
  Record<
    string,
    {
      readonly TXT?: readonly (readonly string[])[];
      readonly A?: readonly string[];
      readonly AAAA?: readonly string[];
      readonly PTR?: readonly string[];
      readonly CNAME?: readonly string[];
      readonly MX?: readonly (string | { readonly preference: number; readonly exchange: string })[];
      readonly rcode?: string;
    }
  >
>;

/** Names that are not listed do not exist. */
export function resolverOf(zones: ZoneData): StaticResolver {
  const resolver = new StaticResolver();
  for (const [name, zone] of Object.entries(zones)) {
    if (zone.rcode === "NXDOMAIN") continue;
    if (zone.rcode !== undefined) resolver.fail(name, undefined, zone.rcode);
    resolver.add(name, "TXT", ...(zone.TXT ?? []).map((strings) => strings.join("")));
    for (const type of ["A", "AAAA", "PTR", "CNAME"] as const) resolver.add(name, type, ...(zone[type] ?? []));
    for (const record of zone.MX ?? []) {
      if (typeof record === "string") resolver.addMx(name, record);
      else resolver.addMx(name, `${record.preference} ${record.exchange}`);
    }
  }
  return resolver;
}
