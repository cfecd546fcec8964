/** Keeps MTA-STS policies as records of the spool, so that a restart does not forget them (RFC 8461 §5.1). */
import type { KeptPolicy, PolicyStore } from "../mta-sts/policy-discovery.ts";
import type { Spool } from "../spool/spool.ts";

const namespace = "mta-sts-policies";

/** Only this function writes there. The spool removes what has expired, and gives back nothing that has. */
export function spoolPolicyStore(spool: Pick<Spool, "getRecord" | "changeRecords">): PolicyStore {
  return {
    get: async (domain) => (await spool.getRecord(namespace, domain)) as KeptPolicy | undefined,
    put: (domain, value, expiresAt) => spool.changeRecords([{ kind: "put", namespace, key: domain, value, expiresAt }]),
  };
}
