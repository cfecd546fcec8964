/**
 * iprev (RFC 8601 §3): whether the client's address has a name that leads back to the address. At most 11 queries; a
 * client without an IP address (a unix socket) has no outcome, so nobody asks.
 */
import { parseClient, reverseName, sharesPrefix, type SpfClient } from "../../spf/client-address.ts";
import { queryNameOf } from "../../spf/dns-name.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";

export interface ReverseDnsOutcome {
  /**
   * RFC 8601 §2.7.3. `fail`: there are names, none leads back. `permerror`: there is no name. `temperror`: the DNS did not
   * answer, and what it did answer does not suffice.
   */
  readonly result: "pass" | "fail" | "permerror" | "temperror";
  /** With `pass`: the confirmed name, lower case, without final dot. */
  readonly name?: string;
  /** A sentence for people. */
  readonly detail: string;
}

/** A shared host has a handful; the rest of a longer list is not asked about (RFC 8601 §3 leaves the number to us). */
const namesMax = 10;

/** `clientAddress`: textual IP address. All names are asked about at once; the first that leads back counts. */
export async function checkReverseDns(
  clientAddress: string,
  { resolver, signal }: { readonly resolver: Resolver; readonly signal?: AbortSignal },
): Promise<ReverseDnsOutcome> {
  const client = parseClient(clientAddress);
  if (client === undefined) return { result: "permerror", detail: "The client has no IP address" };
  const options = signal === undefined ? {} : { signal };
  const answer = await resolver.query(reverseName(client), "PTR", options);
  if (answer.kind === "failure") {
    return { result: "temperror", detail: `The DNS lookup of the name of ${client.text} failed: ${answer.reason}` };
  }
  const names = answer.kind === "records" ? usableNames(answer.records) : [];
  const [first] = names;
  if (first === undefined) return { result: "permerror", detail: `${client.text} has no name in the DNS` };
  const type = client.family === 4 ? "A" : "AAAA";
  const answers = await Promise.all(names.map((name) => resolver.query(name, type, options)));
  return judge(
    client,
    names,
    answers.map((forward) => {
      if (forward.kind === "failure") return "failure";
      const matches = forward.kind === "records" && forward.records.some((address) => isClient(client, address));
      return matches ? "match" : "other";
    }),
  );
}

function judge(
  client: SpfClient,
  names: readonly string[],
  matches: readonly ("match" | "other" | "failure")[],
): ReverseDnsOutcome {
  const name = names[matches.indexOf("match")];
  if (name !== undefined)
    return { result: "pass", name, detail: `${client.text} is ${name}, and that is ${client.text}` };
  const unknown = names[matches.indexOf("failure")];
  if (unknown !== undefined) {
    return { result: "temperror", detail: `The addresses of ${unknown} could not be looked up` };
  }
  const more = names.length > 1 ? ` and ${names.length - 1} more names, but none leads` : ", but that does not lead";
  return { result: "fail", detail: `${client.text} has the name ${names[0] ?? ""}${more} back to it` };
}

function isClient(client: SpfClient, address: string): boolean {
  return sharesPrefix(client, address, client.family === 4 ? 32 : 128);
}

/** Different names that can be asked for, in their order. */
function usableNames(records: readonly string[]): readonly string[] {
  const names = new Set<string>();
  for (const record of records) {
    if (names.size === namesMax) break;
    const name = queryNameOf(record);
    if (name !== undefined) names.add(asciiLowerCase(name));
  }
  return [...names];
}
