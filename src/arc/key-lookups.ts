/** Fetches the keys of a chain: side by side but few at a time, each once, and no more as soon as one is missing. */
import { type FetchedKey, fetchPublicKey, type KeyProblem } from "../dkim/public-key.ts";
import type { Signature } from "../dkim/signature-field.ts";
import { recordName } from "../dkim/signing-key.ts";
import type { Resolver } from "../ports/resolver.ts";

/** Queries at a time. */
const parallelMax = 10;
/** One for each of fifty seals and the newest message signature, and some for the older ones. */
const lookupsMax = 60;

/** By {@link recordName}. */
export type KeyAnswers = ReadonlyMap<string, FetchedKey | KeyProblem>;

/**
 * A problem with a key of `needed` decides the chain, so it ends the look-ups; `wanted` come last, and are left out where
 * they would be too many.
 */
export async function lookUpKeys(
  needed: readonly Signature[],
  wanted: readonly Signature[],
  options: { readonly resolver: Resolver; readonly signal?: AbortSignal },
): Promise<KeyAnswers> {
  const { resolver, signal } = options;
  const decisive = new Set(needed.map(({ about }) => recordName(about)));
  const queries = new Map([...needed, ...wanted].map(({ about }) => [recordName(about), about]));
  const waiting = [...queries].slice(0, lookupsMax).values();
  const answers = new Map<string, FetchedKey | KeyProblem>();
  let decided = false;
  // The iterator is shared: each takes the next that waits.
  const work = async (): Promise<void> => {
    for (const [id, query] of waiting) {
      const answer = await fetchPublicKey(resolver, query, signal === undefined ? {} : { signal });
      answers.set(id, answer);
      if (answer.kind === "problem" && decisive.has(id)) decided = true;
      if (decided) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallelMax, queries.size) }, work));
  return answers;
}
