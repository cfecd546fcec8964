/** SPF records in a table, and one question about them: what alice of a domain, at 192.0.2.1, may do. */
import { checkHost, type SpfQuery } from "../spf/spf.ts";
import type { SpfOutcome } from "../spf/spf-outcome.ts";
import { StaticResolver } from "./static-resolver.ts";

export const spfClient = "192.0.2.1";

/** TXT records by name. */
export function spfZone(records: Readonly<Record<string, string | readonly string[]>>): StaticResolver {
  const resolver = new StaticResolver();
  for (const [name, texts] of Object.entries(records)) resolver.add(name, "TXT", ...[texts].flat());
  return resolver;
}

export function checkSpf(
  resolver: StaticResolver,
  domain: string,
  changes: Partial<SpfQuery> = {},
): Promise<SpfOutcome> {
  const sender = { localPart: "alice", domain };
  const query = { clientAddress: spfClient, domain, sender, hello: "mail.example.net", identity: "mailfrom" as const };
  return checkHost({ ...query, ...changes }, { resolver, now: 1_700_000_000_500 });
}
