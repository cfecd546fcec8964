/** The DNS of a case, as mailauth asks for it: by the conventions of `dns.promises.resolve`. */
import type { MxRecord, RecordType, Resolver } from "../../src/ports/resolver.ts";

type NodeAnswer = (string | string[] | { readonly priority: number; readonly exchange: string })[];

export function nodeResolver(resolver: Resolver): (name: string, type: string) => Promise<NodeAnswer> {
  return async (name, type) => {
    const answer = await resolver.query(name, type as RecordType);
    switch (answer.kind) {
      case "no-name":
        throw dnsError("ENOTFOUND");
      case "no-data":
        throw dnsError("ENODATA");
      case "failure":
        throw dnsError("ESERVFAIL");
      case "records":
        if (type === "TXT") return (answer.records as readonly string[]).map((text) => [text]);
        if (type === "MX") {
          return (answer.records as readonly MxRecord[]).map(({ preference, exchange }) => ({
            priority: preference,
            exchange,
          }));
        }
        return [...(answer.records as readonly string[])];
      default:
        return answer satisfies never;
    }
  };
}

function dnsError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
