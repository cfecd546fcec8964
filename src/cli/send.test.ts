/** `posthaste send` against a scripted server in memory: dialogue, TLS facts, exit codes, and many messages. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { TestTerminal, type TestContextOptions } from "../testing/cli-terminal.ts";
import { type PeerScript, ScriptedPeer, stall } from "../testing/scripted-peer.ts";
import { progressText } from "./progress-bar.ts";
import { withCrlf } from "../message/make-message.ts";
import { percentile } from "./send/send-many.ts";
import { parseServer } from "./send/send-plan.ts";
import { printable } from "../lib/printable-text.ts";
import { styleFor } from "./style.ts";

const envelope = ["--from", "ann@example.org", "--to", "bob@example.org"];

async function sending(
  script: PeerScript,
  words: readonly string[],
  options: TestContextOptions & { readonly port?: number; readonly advanceMs?: number } = {},
) {
  const terminal = new TestTerminal();
  const port = options.port ?? 25;
  const server = await ScriptedPeer.listen(terminal.network, { kind: "ip", address: "192.0.2.1", port }, script);
  await terminal.files.makeDirectory("/home/ann");
  for (const [name, text] of Object.entries({
    password: "s3cret\n",
    "ca.pem": "PEM\n",
    "letter.eml": "Subject: hi\n\nbody\n.dot\n",
  })) {
    await terminal.files.replaceFile(`/home/ann/${name}`, Buffer.from(text));
  }
  // The server's certificate is self-signed; only `--ca` has it trusted.
  terminal.network.tlsOutcome = (_, { demand, certificateAuthorities }) => {
    if (certificateAuthorities !== undefined) return { kind: "established", facts: { verified: true } };
    return demand.kind === "pki"
      ? { kind: "failed", reason: "DEPTH_ZERO_SELF_SIGNED_CERT" }
      : { kind: "established", facts: { verified: false, verifyError: "DEPTH_ZERO_SELF_SIGNED_CERT" } };
  };
  const running = terminal.run(["send", "--server", `192.0.2.1:${port}`, ...envelope, ...words], options);
  let over = false;
  const ended = running.finally(() => (over = true));
  for (let passed = 0; !over && passed < (options.advanceMs ?? 0); passed += 500) await terminal.clock.advance(500);
  await ended;
  return { ...(await running), server };
}

test("the dialogue shows both directions, then what became of each recipient", async () => {
  const { code, stdout, stderr, server } = await sending({ keywords: ["PIPELINING", "8BITMIME"] }, ["--subject", "Hi"]);
  assert.equal(code, 0);
  assert.equal(stderr, "");
  assert.match(stdout, /^Connecting to 192\.0\.2\.1:25\n\*\* connected/);
  for (const line of [
    "-> EHLO localhost",
    "-> MAIL FROM:<ann@example.org>",
    "-> RCPT TO:<bob@example.org>",
    "-> QUIT",
  ]) {
    assert.ok(stdout.includes(`${line}\n`), line);
  }
  assert.match(stdout, /\naccepted {2}bob@example\.org {2}250 /);
  const [message] = server.messages;
  assert.match(
    message?.content.toString() ?? "",
    /^From: <ann@example\.org>\r\nTo: <bob@example\.org>\r\nSubject: Hi\r\nDate: .*\r\nMessage-ID: <.*@localhost>\r\n/,
  );
});

test("--json gives the whole session as one object and nothing else", async () => {
  const { stdout } = await sending({}, ["--json"]);
  const report = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual(Object.keys(report), [
    "server",
    "tls",
    "dialogue",
    "remarks",
    "recipients",
    "bytes",
    "ms",
    "error",
    "exit_code",
  ]);
  assert.equal(report["exit_code"], 0);
});

test("TLS facts tell protocol, cipher and why the certificate is not verified", async () => {
  const { stdout } = await sending({ keywords: ["STARTTLS"] }, ["--tls", "starttls"]);
  assert.match(stdout, /\*\* TLS: TLSv1\.3 TLS_\w+/);
  assert.match(stdout, /not verified: the certificate is self-signed \(DEPTH_ZERO_SELF_SIGNED_CERT\)/);
});

const outcomes: readonly (readonly [string, PeerScript, readonly string[], number, RegExp])[] = [
  [
    "a refusal for good is 65",
    { answer: ({ verb }) => (verb === "RCPT" ? "550 5.1.1 No such user" : undefined) },
    [],
    65,
    /refused {3}bob@example\.org {2}550 5\.1\.1 No such user/,
  ],
  [
    "a refusal for now is 75",
    { answer: ({ verb }) => (verb === "." ? "452 4.3.1 Full" : undefined) },
    [],
    75,
    /not now {3}bob@example\.org {2}452 4\.3\.1 Full/,
  ],
  [
    "of both, the one for good counts",
    {
      answer: ({ verb, recipients }) =>
        verb === "RCPT" ? (recipients === 1 ? "451 4.3.0 later" : "550 5.1.1 no") : undefined,
    },
    ["--to", "eve@example.org"],
    65,
    /not now[^]*refused/,
  ],
  ["a greeting of 554 is 65", { greeting: "554 5.7.1 go away" }, [], 65, /554 5\.7\.1 go away/],
  [
    "a server without STARTTLS is 69 when TLS is asked for",
    {},
    ["--tls", "starttls"],
    69,
    /does not offer STARTTLS\n.*--tls none to send without TLS/,
  ],
  [
    "a certificate that must be valid and is not is 69",
    { keywords: ["STARTTLS"] },
    ["--tls", "verified"],
    69,
    /the certificate is self-signed/,
  ],
  [
    "a certificate that must be valid for a login is 69, and less TLS is not advised",
    { keywords: ["STARTTLS"], tlsKeywords: ["AUTH PLAIN"] },
    ["--tls", "verified", "--auth", "ann:s3cret"],
    69,
    /self-signed .*\n {10}Use --ca FILE to trust a certificate\.\n/,
  ],
  [
    "a server without STARTTLS is 69 for a login that asks for TLS, and no TLS is not advised",
    { keywords: ["AUTH PLAIN"] },
    ["--tls", "starttls", "--auth", "ann:s3cret"],
    69,
    /does not offer STARTTLS\n$/,
  ],
  [
    "a refused login is 77",
    {
      keywords: ["STARTTLS"],
      tlsKeywords: ["AUTH PLAIN"],
      answer: ({ verb }) => (verb === "AUTH" ? "535 5.7.8 wrong" : undefined),
    },
    ["--ca", "ca.pem", "--auth", "ann:s3cret"],
    77,
    /the login was refused: 535 5\.7\.8 wrong/,
  ],
  [
    "a final reply ahead of the content is 69, whatever it says",
    { answer: ({ verb }) => (verb === "DATA" ? "354 go\r\n250 2.0.0 kept" : undefined) },
    [],
    69,
    /refused {3}bob@example\.org {2}"250 2\.0\.0 kept" came before the content was sent/,
  ],
  [
    "a server that asks for ever more of a login is 69",
    {
      keywords: ["STARTTLS"],
      tlsKeywords: ["AUTH LOGIN"],
      answer: ({ tls, line }) => (tls && !line.startsWith("EHLO") ? "334 YQ==" : undefined),
    },
    ["--ca", "ca.pem", "--auth", "ann:s3cret"],
    69,
    /"334 YQ==" is no answer to AUTH/,
  ],
  [
    "a password is not sent in clear",
    { keywords: ["AUTH PLAIN"] },
    ["--auth", "ann:s3cret"],
    77,
    /the password was not sent: the connection does not use TLS\n {10}Use --tls verified\./,
  ],
  [
    "a password is not sent over unverified TLS",
    { keywords: ["STARTTLS"], tlsKeywords: ["AUTH PLAIN"] },
    ["--tls", "starttls", "--auth", "ann:s3cret"],
    77,
    /the password was not sent: .*self-signed[^]*--ca FILE/,
  ],
  [
    "a server without AUTH is 77",
    { keywords: ["STARTTLS"] },
    ["--ca", "ca.pem", "--auth", "ann:s3cret"],
    77,
    /no AUTH mechanism that this client supports/,
  ],
];
for (const [name, script, words, expected, shown] of outcomes) {
  test(`exit code: ${name}`, async () => {
    const { code, stdout } = await sending(script, words);
    assert.equal(code, expected, stdout);
    assert.match(stdout, shown);
  });
}

test("a password that may not cross is never sent", async () => {
  for (const [script, words] of [
    [{ keywords: ["AUTH PLAIN"] }, []],
    [{ keywords: ["STARTTLS"], tlsKeywords: ["AUTH PLAIN"] }, []],
    [{ keywords: ["STARTTLS"], tlsKeywords: ["AUTH PLAIN"] }, ["--tls", "starttls"]],
  ] as const) {
    const { server } = await sending(script, [...words, "--auth", "ann:s3cret"]);
    const verbs = server.lines.map((line) => line.split(" ")[0]);
    assert.equal(verbs.includes("AUTH"), false, verbs.join(" "));
    assert.equal(verbs.includes("MAIL"), false, "nor is mail");
  }
});

test("passwords never show, neither given, from a file, nor typed", async () => {
  const script: PeerScript = { keywords: ["STARTTLS"], tlsKeywords: ["AUTH LOGIN"] };
  const base64 = Buffer.from("s3cret").toString("base64");
  for (const [words, options] of [
    [["--auth", "ann:s3cret"], {}],
    [["--user", "ann", "--password-file", "password"], {}],
    [["--user", "ann"], { terminal: true, answers: ["s3cret"] }],
  ] as const) {
    const { code, stdout, stderr, server } = await sending(script, ["--ca", "ca.pem", ...words], options);
    assert.equal(code, 0);
    assert.ok(server.lines.includes(base64), "it was sent");
    for (const text of ["s3cret", base64]) assert.equal(`${stdout}${stderr}`.includes(text), false);
  }
  const offTerminal = await sending(script, ["--user", "ann"]);
  assert.equal(offTerminal.code, 64);
});

test("nobody there is 69", async () => {
  const { code, stdout } = await new TestTerminal().run(["send", "--server", "192.0.2.9:25", ...envelope]);
  assert.equal(code, 69);
  assert.match(stdout, /192\.0\.2\.9:25 cannot be reached: .*ECONNREFUSED/);
});

test("an interrupted send ends at once, connecting or waiting for a reply", async () => {
  for (const words of [[], ["--count", "5"]]) {
    const stop = new AbortController();
    const script: PeerScript = {
      answer: () => {
        stop.abort(new Error("stopped by SIGINT"));
        return stall;
      },
    };
    const { code } = await sending(script, words, { overrides: { interrupted: stop.signal } });
    assert.equal(code, 69);
  }
  const { code, stdout } = await sending({}, [], {
    overrides: { interrupted: AbortSignal.abort(new Error("stopped")) },
  });
  assert.equal(code, 75);
  assert.match(stdout, /interrupted/);
});

test("a port that speaks TLS from the first octet is found out during the silence", async () => {
  const { code, stdout } = await sending({ implicitTls: true }, [], { port: 4465, advanceMs: 10_000 });
  assert.equal(code, 69);
  assert.match(stdout, /port 4465 starts with TLS\n {10}Use --tls implicit\./);
});

test("on port 465 TLS begins at once without being asked for", async () => {
  const { code, stdout } = await sending({ implicitTls: true }, [], { port: 465 });
  assert.equal(code, 0, stdout);
  assert.match(stdout, /\*\* TLS: TLSv1\.3/);
});

test("a port that greets in clear is told from one that speaks TLS", async () => {
  const { code, stdout } = await sending({}, ["--tls", "implicit"], { advanceMs: 10_000 });
  assert.equal(code, 69);
  assert.match(stdout, /does not start with TLS\n.*--tls starttls/);
});

test("a file goes as it is, with CRLF; standard input too; extra headers on top", async () => {
  const whole = "Subject: hi\r\n\r\nbody\r\n.dot\r\n";
  assert.equal((await sending({}, ["letter.eml"])).server.messages[0]?.content.toString(), whole);
  const piped = await sending({}, ["--header", "X-A: b", "-"], { input: "Subject: in\n\nx\n" });
  assert.equal(piped.server.messages[0]?.content.toString(), "X-A: b\r\nSubject: in\r\n\r\nx\r\n");
  const both = await sending({}, ["--subject", "x", "letter.eml"]);
  assert.deepEqual([both.code, both.server.sessions], [64, 0]);
  const none = await sending({}, ["none.eml"]);
  assert.equal(none.code, 65);
  assert.match(none.stderr, /\/home\/ann\/none\.eml cannot be read \(ENOENT\)/);
});

test("a made message has the fields of its body once", async () => {
  const { code, server, stderr } = await sending({}, ["--header", "Content-Type: text/html"]);
  assert.deepEqual([code, server.sessions], [64, 0]);
  assert.match(stderr, /--header cannot set Content-Type: it follows from the body and the attachments/);
});

test("a made message carries attachments and text beyond ASCII", async () => {
  const { server } = await sending({ keywords: [] }, [
    "--subject",
    "Grüße",
    "--body",
    "Übung\n",
    "--attach",
    "letter.eml",
  ]);
  const text = server.messages[0]?.content.toString() ?? "";
  assert.match(text, /^Subject: =\?utf-8\?B\?/m);
  assert.match(text, /Content-Type: multipart\/mixed/);
  assert.match(text, /Content-Disposition: attachment; filename="letter\.eml"/);
  assert.ok(text.includes(Buffer.from("Übung\r\n").toString("base64")));
  assert.ok(
    [...text].every((character) => character < "\u0080"),
    "7 bit",
  );
});

test("the MX hosts of the recipient are asked where no server is named", async () => {
  const terminal = new TestTerminal();
  terminal.resolver.addMx("example.org", "20 b.example.org", "10 a.example.org");
  terminal.resolver.add("a.example.org", "A", "192.0.2.1").add("b.example.org", "A", "192.0.2.2");
  await using second = await ScriptedPeer.listen(terminal.network, { kind: "ip", address: "192.0.2.2", port: 25 });
  const { code, stdout } = await terminal.run(["send", ...envelope]);
  assert.equal(code, 0);
  assert.match(stdout, /Connecting to a\.example\.org \(192\.0\.2\.1:25\)\n[^]*Connecting to b\.example\.org/);
  assert.equal(second.messages.length, 1);
  terminal.resolver.addMx("none.example", "0 .");
  const none = await terminal.run(["send", "--from", "a@example.org", "--to", "b@none.example"]);
  assert.equal(none.code, 65);
  assert.match(none.stderr, /does not accept mail \(null MX/);
});

test("--count sends over kept sessions and tells rate, latencies and other replies than yes", async () => {
  const answer: PeerScript["answer"] = ({ verb, session }) =>
    verb === "." && session === 1 ? "451 4.3.0 busy" : undefined;
  const { code, stdout, server } = await sending({ answer, keywords: ["PIPELINING"] }, [
    "--count",
    "30",
    "--concurrency",
    "3",
  ]);
  assert.equal(code, 75);
  assert.equal(server.sessions, 3);
  assert.equal(server.messages.length, 30);
  const [, accepted, refused = "?"] = /^(\d+) accepted, (\d+) refused in /.exec(stdout) ?? [];
  assert.equal(Number(accepted) + Number(refused), 30, stdout);
  assert.match(stdout, /Latency: p50 .* p95 .* p99 /);
  assert.ok(stdout.includes(`${refused} × 451 4.3.0 busy`));
  const ids = new Set(server.messages.map(({ content }) => /^Message-ID: (.*)$/m.exec(content.toString())?.[1]));
  assert.equal(ids.size, 30, "each message has a Message-ID of its own");
  const json = await sending({}, ["--count", "4", "--reconnect", "--json"]);
  const report = JSON.parse(json.stdout) as Record<string, unknown>;
  assert.deepEqual([report["accepted"], report["unsent"], json.server.sessions], [4, 0, 4]);
});

test("--count gives up on a server that is not there, and says what was not sent", async () => {
  const { code, stdout } = await new TestTerminal().run([
    "send",
    "--server",
    "192.0.2.9:25",
    ...envelope,
    "--count",
    "10",
  ]);
  assert.equal(code, 69);
  assert.match(stdout, /0 accepted, 10 not sent/);
  assert.match(stdout, /5 × 192\.0\.2\.9:25 cannot be reached/);
});

test("what a server says cannot command the terminal", async () => {
  const { stdout } = await sending(
    { answer: ({ verb }) => (verb === "RCPT" ? "550 \x1b]0;owned\x07 no" : undefined) },
    [],
  );
  assert.equal(stdout.includes("\x1b"), false);
  assert.equal(printable("a\u202eb\u0007\tc"), "a\\x202eb\\x07 c");
});

test("servers are written as host, host and port, or an address", () => {
  for (const [text, host, port] of [
    ["mail.example.org", "mail.example.org", 25],
    ["mail.example.org:2525", "mail.example.org", 2525],
    ["192.0.2.1:26", "192.0.2.1", 26],
    ["[2001:db8::1]:26", "2001:db8::1", 26],
    ["[2001:db8::1]", "2001:db8::1", 25],
  ] as const) {
    assert.deepEqual(parseServer(text, 25), { host, port });
  }
  for (const wrong of ["", ":25", "host:", "host:0", "host:65536", "a b:25", "[host]:25x"]) {
    assert.throws(() => parseServer(wrong, 25), /--server takes HOST:PORT/, wrong);
  }
});

test("a lone LF becomes CRLF and nothing else changes", () => {
  for (const [given, expected] of [
    ["a\nb\r\nc\n", "a\r\nb\r\nc\r\n"],
    ["\n\n", "\r\n\r\n"],
    ["a\rb", "a\rb"],
    ["", ""],
  ] as const) {
    assert.equal(withCrlf(Buffer.from(given)).toString(), expected);
  }
});

test("percentiles are nearest ranks", () => {
  const sorted = Array.from({ length: 100 }, (_, index) => index + 1);
  assert.deepEqual(
    [50, 95, 99, 100].map((percent) => percentile(sorted, percent)),
    [50, 95, 99, 100],
  );
  assert.equal(percentile([7], 50), 7);
  assert.equal(percentile([], 50), 0);
});

test("the progress bar tells count, rate and time left", () => {
  const style = styleFor({ isTerminal: false, columns: 80, write: () => undefined }, {});
  assert.equal(
    progressText({ accepted: 240, refused: 10, total: 1000, ms: 1000, style }),
    `${"█".repeat(7)}${"░".repeat(21)} 250/1000  250/s  3 s left  10 not accepted`,
  );
});
