/** SPF beside pyspf: the same senders, asked of the same DNS over the wire. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DnsResolver } from "../../src/node/dns/dns-resolver.ts";
import { parseDnsServer } from "../../src/node/dns/dns-servers.ts";
import { socketTransport } from "../../src/node/dns/dns-transport.ts";
import { SystemClock } from "../../src/node/process/system-clock.ts";
import { SystemRandom } from "../../src/node/process/system-random.ts";
import { checkSender } from "../../src/spf/spf.ts";
import { CollectingLog } from "../../src/testing/collecting-log.ts";
import { startTestDns } from "./support/dns.ts";
import { askPySpf, type SpfQuestion } from "./support/pyspf.ts";

const includes = (count: number) => Array.from({ length: count }, (_, index) => `include:i${index}.test`).join(" ");

const records: readonly (readonly [string, readonly string[]])[] = [
  ["TXT plain.test", ["v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"]],
  ["TXT soft.test", ["v=spf1 a mx ~all"]],
  ["A soft.test", ["192.0.2.10"]],
  ["AAAA soft.test", ["2001:db8::10"]],
  ["MX soft.test", ["10 mx1.soft.test", "20 mx2.soft.test"]],
  ["A mx1.soft.test", ["198.51.100.1"]],
  ["A mx2.soft.test", ["198.51.100.2"]],
  ["TXT prefixes.test", ["v=spf1 a:soft.test/24//64 mx:soft.test/30 ?all"]],
  ["TXT provider.test", ["v=spf1 include:plain.test include:soft.test -all"]],
  ["TXT redirect.test", ["v=spf1 redirect=plain.test"]],
  ["TXT no-redirect.test", ["v=spf1 redirect=nothing.test"]],
  ["TXT no-include.test", ["v=spf1 include:nothing.test -all"]],
  ["TXT macro.test", ["v=spf1 exists:%{ir}.%{l1r-}.%{d2}.list.test -all"]],
  ["A 5.2.0.192.ann.macro.test.list.test", ["127.0.0.2"]],
  ["TXT explained.test", ["v=spf1 -all exp=why.%{d}"]],
  ["TXT why.explained.test", ["%{i} may not send as %{s}%_%{c} at %{r}"]],
  ["TXT two.test", ["v=spf1 +all", "v=spf1 -all"]],
  ["TXT other.test", ["v=spf10 -all", "some other text"]],
  ["TXT case.test", ["V=SPF1 IP4:192.0.2.1 A:SOFT.TEST -ALL"]],
  ["TXT spaces.test", ["v=spf1   ip4:192.0.2.1    -all   "]],
  ["TXT bad.test", ["v=spf1 ip4:192.0.2.300 -all"]],
  ["TXT unknown.test", ["v=spf1 ip4:192.0.2.1 sender:plain.test -all"]],
  ["TXT late-error.test", ["v=spf1 ip4:192.0.2.0/24 -all a:"]],
  ["TXT unknown-modifier.test", ["v=spf1 ip4:192.0.2.0/24 until=2030 -all"]],
  ["TXT two-redirects.test", ["v=spf1 redirect=plain.test redirect=soft.test"]],
  ["TXT loop.test", ["v=spf1 include:loop.test -all"]],
  ["TXT ten.test", [`v=spf1 ${includes(10)} ip4:203.0.113.0/24 -all`]],
  ["TXT eleven.test", [`v=spf1 ${includes(11)} ip4:203.0.113.0/24 -all`]],
  ...Array.from({ length: 11 }, (_, index) => [`TXT i${index}.test`, ["v=spf1 ip4:198.51.100.77 -all"]] as const),
  ["TXT void.test", ["v=spf1 a:n1.test a:n2.test ip4:203.0.113.9 -all"]],
  ["TXT voids.test", ["v=spf1 a:n1.test a:n2.test a:n3.test ip4:203.0.113.9 -all"]],
  ["TXT reverse.test", ["v=spf1 ptr -all"]],
  ["PTR 8.113.0.203.in-addr.arpa", ["host.reverse.test"]],
  ["A host.reverse.test", ["203.0.113.8"]],
  ["TXT long.test", [`v=spf1 ${"ip4:198.51.100.1 ".repeat(20)}ip4:203.0.113.5 -all`]],
];

const domains = [
  ...new Set(records.flatMap(([key]) => (/^TXT (?!why)(?!i\d)(.*)$/.exec(key)?.[1] ? [key.slice(4)] : []))),
  "nothing.test",
];
const clients = [
  "192.0.2.5",
  "192.0.2.10",
  "198.51.100.2",
  "203.0.113.9",
  "203.0.113.8",
  "203.0.113.5",
  "2001:db8::10",
];

const questions: readonly SpfQuestion[] = [
  ...domains.flatMap((domain) =>
    clients.map((client) => ({ client, reversePath: `ann-x@${domain}`, hello: "mail.hello.test" })),
  ),
  ...clients.map((client) => ({ client, reversePath: "", hello: "plain.test" })),
];

test("pyspf and we come to the same result, and to the same explanation", async () => {
  await using dns = await startTestDns(records);
  const theirs = await askPySpf(dns, questions);
  const server = parseDnsServer(dns.address);
  assert.ok(server);
  const clock = new SystemClock();
  const log = new CollectingLog();
  const random = new SystemRandom();
  const resolver = new DnsResolver({ servers: [server], transport: socketTransport, clock, random, log });
  const counts = new Map<string, number>();
  for (const [index, { client, reversePath, hello }] of questions.entries()) {
    const [localPart = "", domain = ""] = reversePath.split("@");
    const query = {
      clientAddress: client,
      hello,
      reversePath: reversePath === "" ? null : { localPart, domain },
      receiverName: "receiver.test",
    };
    const { mailfrom: outcome } = await checkSender(query, { resolver, now: clock.now() });
    const their = theirs[index];
    const asked = `${reversePath || hello} from ${client}: ${outcome.reason}; pyspf: ${their?.why}`;
    assert.equal(outcome.result, their?.result, asked);
    if (domain === "explained.test")
      assert.equal(outcome.explanation?.replace(/ at .*/, ""), their?.why.replace(/ at .*/, ""));
    counts.set(outcome.result, (counts.get(outcome.result) ?? 0) + 1);
  }
  for (const result of ["pass", "fail", "softfail", "neutral", "none", "permerror"]) {
    assert.ok((counts.get(result) ?? 0) > 0, `no case gave ${result}`);
  }
});
