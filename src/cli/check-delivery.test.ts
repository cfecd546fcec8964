/** `posthaste check delivery` over a simulated network: which steps it tells, what it never sends, and its last sentence. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyFetcher } from "../ports/policy-fetcher.ts";
import { TestTerminal, type TestContextOptions } from "../testing/cli-terminal.ts";
import { StaticResolver } from "../testing/static-resolver.ts";
import { close, ScriptedPeer, type PeerScript } from "../testing/scripted-peer.ts";

const keywords = ["PIPELINING", "SIZE 10000000", "CHUNKING"];
const withTls = { keywords: [...keywords, "STARTTLS"], tlsKeywords: keywords };
const options = "[outbound]\nallow_private = true\n";

async function world(
  hosts: readonly PeerScript[],
  {
    resolver = new StaticResolver(),
    config = options,
  }: { readonly resolver?: StaticResolver; readonly config?: string } = {},
) {
  const terminal = new TestTerminal();
  await terminal.files.makeDirectory("/home/ann");
  const text = `hostname = "mx.our.test"\ndata_dir = "/data"\n[[listener]]\nkind = "mx"\n${config}`;
  await terminal.files.replaceFile("/home/ann/posthaste.toml", Buffer.from(text));
  const peers: ScriptedPeer[] = [];
  for (const [index, script] of hosts.entries()) {
    const address = `203.0.113.${index + 1}`;
    resolver.add(`mx${index + 1}.theirs.test`, "A", address);
    peers.push(await ScriptedPeer.listen(terminal.network, { kind: "ip", address, port: 25 }, script));
  }
  if (hosts.length > 0)
    resolver.addMx("theirs.test", ...hosts.map((_, index) => `${index + 1} mx${index + 1}.theirs.test`));
  const run = async (line: string, { overrides, ...more }: TestContextOptions = {}) => {
    const shown = await terminal.run(`check delivery ${line}`, {
      ...more,
      overrides: { resolver: () => resolver, ...overrides },
    });
    return { ...shown, json: () => JSON.parse(shown.stdout) as Shown };
  };
  return { terminal, peers, resolver, run };
}

interface Shown {
  readonly result: string;
  readonly status: string | null;
  readonly sentence: string;
  readonly from: string;
  readonly steps: readonly {
    readonly step: string;
    readonly status: string;
    readonly host?: string;
    readonly text: string;
    readonly ms: number;
  }[];
}

function stepsOf({ steps }: Shown, host: string): readonly string[] {
  return steps
    .filter((step) => step.host === host && step.step !== "policy")
    .map(({ step, status }) => `${step} ${status}`);
}

function serving(body: string): PolicyFetcher {
  return {
    fetch: () => Promise.resolve({ kind: "response", status: 200, contentType: "text/plain", body: Buffer.from(body) }),
  };
}

test("tells each step up to RCPT and sends no content, though the server could take it in one flight", async () => {
  const { run, peers } = await world([withTls]);
  const shown = await run("bob@theirs.test --json");
  const found = shown.json();
  assert.equal(shown.code, 0);
  assert.equal(found.result, "accepted");
  assert.equal(found.from, "postmaster@mx.our.test");
  assert.deepEqual(stepsOf(found, "mx1.theirs.test"), [
    "connect ok",
    "greeting ok",
    "hello ok",
    "starttls ok",
    "handshake ok",
    "certificate ok",
    "hello ok",
    "mail ok",
    "rcpt ok",
    "quit ok",
  ]);
  assert.deepEqual(peers[0]?.verbs, ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "QUIT"]);
  assert.deepEqual(peers[0]?.messages, []);
  assert.ok(peers[0]?.lines.includes("MAIL FROM:<postmaster@mx.our.test> SIZE=2000"));
  assert.match(
    found.sentence,
    /^A message from postmaster@mx\.our\.test to bob@theirs\.test would be accepted by mx1\.theirs\.test over TLS.*: RCPT was answered 250 .*\.$/,
  );
});

test("for people: a line for each step, one heading for each connection, the sentence last", async () => {
  const { run } = await world([{ keywords }]);
  const { stdout, code } = await run("bob@theirs.test --from <>");
  assert.equal(code, 0);
  const lines = stdout.trimEnd().split("\n");
  assert.match(lines[0] ?? "", /^ok +mx +0\.0 ms {2}MX theirs\.test: 1 mx1\.theirs\.test$/);
  assert.ok(lines.includes("mx1.theirs.test [203.0.113.1]"));
  assert.match(stdout, /^note +starttls .*there is no TLS: mail goes in clear$/m);
  assert.match(
    lines.at(-1) ?? "",
    /^A message from <> to bob@theirs\.test would be accepted by mx1\.theirs\.test without TLS/,
  );
});

test("hosts are tried in their order until one decides, and a refusal of the recipient is a bounce", async () => {
  const later: PeerScript = {
    keywords,
    answer: ({ verb }) => (verb === "MAIL" ? { reply: "421 4.3.2 busy", close: true } : undefined),
  };
  const no: PeerScript = { keywords, answer: ({ verb }) => (verb === "RCPT" ? "550 5.1.1 no bob here" : undefined) };
  const { run, peers } = await world([{ greeting: close }, later, no, { keywords }]);
  const shown = await run("bob@theirs.test --json");
  const found = shown.json();
  assert.equal(shown.code, 65);
  assert.deepEqual([found.result, found.status], ["bounced", "5.1.1"]);
  assert.deepEqual(stepsOf(found, "mx1.theirs.test"), ["connect ok", "greeting failed"]);
  assert.deepEqual(stepsOf(found, "mx2.theirs.test").slice(-2), ["starttls note", "mail failed"]);
  assert.deepEqual(stepsOf(found, "mx3.theirs.test").slice(-2), ["rcpt failed", "quit ok"]);
  assert.equal(peers[3]?.sessions, 0);
  assert.match(
    found.sentence,
    /would be returned to its sender at once \(5\.1\.1\): mx3\.theirs\.test replied to RCPT: 550 5\.1\.1 no bob here\.$/,
  );
});

test("a null MX, a name that does not exist and DNS trouble end it before any connection", async () => {
  const resolver = new StaticResolver().addMx("null.test", "0 .").fail("sick.test");
  const { run } = await world([], { resolver });
  const nullMx = await run("bob@null.test --json");
  assert.equal(nullMx.code, 65);
  assert.match(nullMx.json().sentence, /\(5\.1\.10\): The domain null\.test does not accept mail\.$/);
  const none = await run("bob@none.test --json");
  assert.match(none.json().sentence, /\(5\.1\.2\): The domain none\.test does not exist\.$/);
  const sick = await run("bob@sick.test --json");
  assert.equal(sick.code, 75);
  assert.match(sick.json().sentence, /would wait and be tried again \(4\.4\.3\): Temporary DNS failure/);
  assert.deepEqual(
    sick.json().steps.map(({ step, status }) => `${step} ${status}`),
    ["mx failed"],
  );
});

test("a policy that is not met makes the message wait, and the step names the policy", async () => {
  const resolver = new StaticResolver().add("_mta-sts.theirs.test", "TXT", "v=STSv1; id=1;");
  const { run, terminal, peers } = await world([withTls], { resolver });
  terminal.network.tlsOutcome = (_, { demand }) =>
    demand.kind === "pki" ? { kind: "failed", reason: "SELF_SIGNED_CERT_IN_CHAIN" } : undefined;
  const policyFetcher = () => serving("version: STSv1\nmode: enforce\nmx: *.theirs.test\nmax_age: 86400\n");
  const shown = await run("bob@theirs.test --json", { overrides: { policyFetcher } });
  const found = shown.json();
  assert.equal(shown.code, 75);
  assert.deepEqual(stepsOf(found, "mx1.theirs.test"), [
    "connect ok",
    "greeting ok",
    "hello ok",
    "starttls ok",
    "handshake failed",
  ]);
  const texts = found.steps.filter(({ step }) => step === "policy").map(({ text }) => text);
  assert.ok(
    texts.includes("mta-sts: the policy (enforce) lists this host; its certificate must be valid for mx1.theirs.test"),
  );
  assert.ok(texts.includes("what counts: verified (mta-sts)"));
  assert.match(
    found.sentence,
    /\(4\.7\.5\): .*the MTA-STS policy of the domain demands TLS with a valid certificate\.$/,
  );
  assert.ok(!peers[0]?.verbs.includes("MAIL"));
  assert.equal(found.steps.filter(({ step }) => step === "mta-sts-policy").length, 1);
});

test("where DANE decides, the certificate is tried against the MTA-STS policy in a connection of its own", async () => {
  const resolver = new StaticResolver({ secure: true })
    .add("_mta-sts.theirs.test", "TXT", "v=STSv1; id=1;")
    .add("_25._tcp.mx1.theirs.test", "TLSA", { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) });
  const { run, terminal, peers } = await world([withTls], { resolver });
  terminal.network.tlsOutcome = (_, { demand }) =>
    demand.kind === "pki" ? { kind: "failed", reason: "DEPTH_ZERO_SELF_SIGNED_CERT" } : undefined;
  const policyFetcher = () => serving("version: STSv1\nmode: testing\nmx: mx1.theirs.test\nmax_age: 86400\n");
  const shown = await run("bob@theirs.test --json", { overrides: { policyFetcher } });
  const found = shown.json();
  assert.equal(shown.code, 0);
  assert.match(found.sentence, / as dane demands/);
  assert.equal(peers[0]?.sessions, 2);
  const certificates = found.steps.filter(({ step }) => step === "certificate" || step === "handshake");
  assert.deepEqual(
    certificates.map(({ step, status }) => `${step} ${status}`),
    ["handshake ok", "certificate ok", "handshake failed"],
  );
  assert.match(certificates[1]?.text ?? "", /^dane: it fits a TLSA record/);
  assert.match(certificates[2]?.text ?? "", /self-signed.*MTA-STS policy/);
  assert.deepEqual(
    peers[0]?.verbs.filter((verb) => verb === "MAIL"),
    ["MAIL"],
  );
});

test("mail for a local domain stays here, and words that are no address are refused", async () => {
  const { run } = await world([], { config: '[[domain]]\nname = "our.test"\n' });
  const local = await run("ann@our.test --json");
  assert.equal(local.json().result, "local");
  assert.match(local.json().sentence, /would stay on this server: maildir\.$/);
  assert.equal((await run("ann")).code, 64);
  assert.equal((await run("ann@our.test --timeout never")).code, 64);
});

test("without a configuration the defaults apply, with the null reverse-path", async () => {
  const { run, terminal, peers } = await world([{ keywords }]);
  await terminal.files.remove("/home/ann/posthaste.toml");
  const { code, stderr } = await run("bob@theirs.test --helo probe.our.test");
  assert.equal(code, 0);
  assert.match(stderr, /There is no configuration here/);
  assert.deepEqual(peers[0]?.lines.slice(0, 2), ["EHLO probe.our.test", "MAIL FROM:<> SIZE=2000"]);
});
