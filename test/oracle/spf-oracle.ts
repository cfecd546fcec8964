/** SPF: random records by the grammar and a little beside it, random clients, helos and senders. */
import { spf } from "mailauth/lib/spf/index.js";
import { checkSender } from "../../src/spf/spf.ts";
import { resolverOf, type ZoneData } from "../../src/testing/conformance-dns.ts";
import type { Choices } from "./choices.ts";
import type { Comparison } from "./comparison.ts";
import { nodeResolver } from "./oracle-dns.ts";
import { knownSpfDifference } from "./spf-differences.ts";

const domains = ["a.test", "b.test", "c.b.test", "d.test", "e.d.test", "mail.a.test"];
const addresses4 = ["192.0.2.1", "192.0.2.77", "198.51.100.9", "10.0.0.1"];
const addresses6 = ["2001:db8::1", "2001:db8:1::5", "fe80::1"];

export async function compareSpf(choices: Choices): Promise<Comparison> {
  const zones: Record<string, ZoneData[string]> = {};
  for (const domain of domains) if (choices.chance(0.9)) zones[domain] = zone(choices);
  const clientAddress = choices.chance(0.75)
    ? choices.pick(addresses4)
    : choices.pick([...addresses6, "::ffff:192.0.2.1"]);
  if (choices.chance(0.5)) {
    zones[reverseOf(clientAddress)] = {
      PTR: choices.several(choices.chance(0.1) ? 12 : 3, () => choices.pick(domains)),
    };
  }
  const hello = choices.mostly([choices.pick(domains), "[192.0.2.1]", "unknown", "bad_name.test", "a..test"]);
  const localPart = choices.mostly(["user", "", "a.b+c", "x@y", "long.user-name_1", "A%B"]);
  const domain = choices.mostly([choices.pick(domains), "nowhere.test", "single", "-x.test", "under_score.test"]);
  const reversePath = choices.chance(0.1) ? null : { localPart, domain };
  const resolver = resolverOf(zones);

  const { mailfrom: ours } = await checkSender(
    { clientAddress, hello, reversePath, receiverName: "mx.receiver.test", withHelo: false },
    { resolver, now: Date.UTC(2026, 0) },
  );
  const theirs = await spf({
    ip: clientAddress,
    helo: hello,
    sender: reversePath === null ? "" : `${localPart}@${domain}`,
    mta: "mx.receiver.test",
    resolver: nodeResolver(resolver) as never,
    strict: true,
  } as never);
  const result = (theirs as { status: { result: string; comment?: string } }).status;
  const input = (): string =>
    JSON.stringify({ clientAddress, hello, reversePath, reason: ours.reason, comment: result.comment, zones }, null, 1);
  const given = { zones, ours, theirs: result };
  return { ours: ours.result, theirs: result.result, input, known: knownSpfDifference(given) };
}

function zone(choices: Choices): ZoneData[string] {
  if (choices.chance(0.02)) return { rcode: "SERVFAIL" };
  const texts = choices.several(2, () => record(choices));
  return {
    TXT: (choices.chance(0.8) ? [record(choices)] : texts).map((text) => [text]),
    A: choices.several(3, () => choices.pick(addresses4)),
    AAAA: choices.several(2, () => choices.pick(addresses6)),
    MX: choices.several(
      choices.chance(0.03) ? 14 : 3,
      () => `${choices.int(3) * 10} ${choices.pick([...domains, "nowhere.test"])}`,
    ),
  };
}

function record(choices: Choices): string {
  const version = choices.mostly(["v=spf1", "V=SPF1", "v=spf10", "v=spf2.0/pra", " v=spf1", "v=spf1\t"], 0.95);
  const terms = choices.several(5, () => term(choices));
  if (choices.chance(0.7))
    terms.push(
      choices.pick(["-all", "~all", "?all", "all", "-ALL", "all:a", "all/8"].slice(0, choices.chance(0.9) ? 5 : 7)),
    );
  if (choices.chance(0.15)) terms.splice(choices.int(terms.length + 1), 0, `redirect=${spec(choices)}`);
  if (choices.chance(0.15)) terms.push(`exp=${spec(choices)}`);
  if (choices.chance(0.05))
    terms.push(
      choices.pick([
        "x=",
        "unknown=%{d}",
        "foo=bar",
        "redirect=",
        "1x=y",
        "a b",
        "-",
        "=x",
        "moo",
        "x.y-z_1=%%",
        "x=%{",
      ]),
    );
  return [version, ...terms].join(choices.mostly([" ", "  "], 0.95)) + choices.mostly(["", " "]);
}

function term(choices: Choices): string {
  const qualifier = choices.mostly(["", "+", "-", "~", "?"], 0.5);
  const cidr = choices.mostly(
    ["", "/24", "/32", "/0", "//64", "/24//64", "/33", "//129", "/", "/024", "/ 8"].slice(
      0,
      choices.chance(0.9) ? 6 : 11,
    ),
    0.6,
  );
  const kind = choices.pick(["a", "mx", "ip4", "ip4", "ip6", "include", "include", "exists", "ptr", "A", "Include"]);
  switch (kind.toLowerCase()) {
    case "ip4":
      return `${qualifier}ip4:${choices.mostly([choices.pick(addresses4), "192.0.2", "1.2.3.4.5", "192.0.2.256", "2001:db8::1", "01.2.3.4"], 0.95)}${choices.mostly(["", "/24", "/0", "/32", "/33", "//8"], 0.6)}`;
    case "ip6":
      return `${qualifier}ip6:${choices.mostly([choices.pick(addresses6), "::ffff:192.0.2.1", "192.0.2.1", "2001:db8", "::1::"], 0.9)}${choices.mostly(["", "/32", "/0", "/128", "/129", "//64"], 0.6)}`;
    case "a":
    case "mx":
      return `${qualifier}${kind}${choices.chance(0.6) ? `:${spec(choices)}` : choices.mostly(["", ":"], 0.97)}${cidr}`;
    case "ptr":
      return `${qualifier}${kind}${choices.chance(0.5) ? `:${spec(choices)}` : ""}`;
    default:
      return `${qualifier}${kind}${choices.mostly([":", "", "="], 0.97)}${spec(choices)}`;
  }
}

function spec(choices: Choices): string {
  if (choices.chance(0.75)) return choices.pick(domains);
  const macro = (): string => {
    const letter = choices.mostly(
      ["d", "s", "l", "o", "i", "v", "h", "p", "D", "L", "c", "r", "t", "x"].slice(choices.int(8)),
      0.5,
    );
    return `%{${letter}${choices.mostly(["", "1", "2", "r", "1r", "2r.", "0", "200", "r-", "-+"], 0.6)}}`;
  };
  const piece = (): string => choices.pick([macro(), macro(), choices.pick(domains), "x", "%%", "%_", "%-", "_spf"]);
  const tail = choices.mostly(
    [choices.pick(domains), `${choices.pick(domains)}.`, "test", "%{d}", "", "%", "%{", "%x", "/24"],
    0.85,
  );
  return [...choices.several(2, piece), tail].join(choices.mostly([".", "-", "", ".."], 0.9));
}

function reverseOf(address: string): string {
  const mapped = address.replace(/^::ffff:/, "");
  if (mapped.includes(".")) return `${mapped.split(".").toReversed().join(".")}.in-addr.arpa`;
  const [head = "", tail = ""] = mapped.split("::");
  const groups = (text: string): string[] =>
    text === "" ? [] : text.split(":").map((group) => group.padStart(4, "0"));
  const [first, last] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => "0000");
  return `${[...first, ...zeros, ...last].join("").split("").toReversed().join(".")}.ip6.arpa`;
}
