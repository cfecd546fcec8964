/** Asks DNS whether the world can see one of our keys, and whether it is the one we sign with. */
import { fetchPublicKey, parseKeyRecord } from "../dkim/public-key.ts";
import type { RecordType, Resolver } from "../ports/resolver.ts";
import type { Sighting } from "./key-lifecycle.ts";

export interface SoughtKey {
  readonly domain: string;
  readonly selector: string;
  /** What should be published. */
  readonly record: string;
}

/** Never rejects: what goes wrong is `unknown`. */
export async function sightKey(sought: SoughtKey, resolver: Resolver): Promise<Sighting> {
  let ttlSeconds = 0;
  // How long an answer lasts says how long the zone's other servers may lag; the verifier has no use for it.
  const listening: Resolver = {
    query: async <T extends RecordType>(name: string, type: T) => {
      const answer = await resolver.query(name, type, { fresh: true });
      if (answer.kind === "records") ({ ttlSeconds } = answer);
      return answer;
    },
  };
  const found = await fetchPublicKey(listening, sought).catch((error: unknown) => {
    return { kind: "problem", result: "temperror", reason: "key-unavailable", detail: String(error) } as const;
  });
  if (found.kind === "problem") {
    const { result, reason, detail } = found;
    if (result === "temperror") return { kind: "unknown", detail };
    return { kind: reason === "no-key" ? "absent" : "different", detail };
  }
  const { key, record } = found;
  const ours = parseKeyRecord(sought.record);
  if (ours.kind !== "record" || ours.record.key === "revoked" || !key.object.equals(ours.record.key.object)) {
    return { kind: "different", detail: "DNS has another key under this name" };
  }
  if (record.hashes !== undefined && !record.hashes.includes("sha256")) {
    return { kind: "different", detail: "the record's h= does not allow sha256" };
  }
  return { kind: "seen", ttlSeconds };
}
