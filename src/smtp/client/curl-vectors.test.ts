/**
 * curl's own tests of its SMTP client, as far as they are about sending a message: what they want on the wire, our core
 * puts there. The server side is a few answers; VRFY and EXPN, other mechanisms, and curl's options are left out.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { vectorPath } from "../../testing/conformance-data.ts";
import { runVectors } from "../../testing/run-vectors.ts";
import { ClientProtocol } from "./protocol.ts";
import type { ClientEvent } from "./event.ts";
import { standardTimeouts } from "./timeouts.ts";

interface CurlTest {
  readonly name: string;
  /** The commands that a client must send, in order. */
  readonly commands: readonly string[];
  readonly content: string;
  readonly wire: string;
  /** Answers other than the ordinary, by the beginning of a command. */
  readonly answers: readonly (readonly [string, string])[];
  readonly mechanisms: string | undefined;
}

function readTest(text: string): CurlTest | undefined {
  const section = (tag: string) => new RegExp(`<${tag}[^>]*>\\n?([^]*?)</${tag}>`).exec(text)?.[1];
  const stdin = section("stdin");
  const protocol = section("protocol");
  const upload = section("upload");
  if (stdin === undefined || protocol === undefined || upload === undefined) return undefined;
  // Only messages that curl sends as they are given to it.
  if (/<errorcode>/.test(text) || !section("command")?.includes("-T -")) return undefined;
  const commands = expand(protocol).trimEnd().split("\n");
  const known = /^(?:EHLO|HELO|AUTH PLAIN \S+|MAIL FROM:<[\x20-\x7e]*>$|RCPT TO:<[\x20-\x7e]*>$|DATA|QUIT)/;
  // One without QUIT was broken off.
  if (!commands.includes("DATA") || commands.at(-1) !== "QUIT") return undefined;
  if (!commands.every((command) => known.test(command))) return undefined;
  const servercmd = expand(section("servercmd") ?? "").split("\n");
  const bare = /<stdin[^>]*nonewline/.test(text) ? stdin.replace(/\n$/, "") : stdin;
  return {
    name: section("name")?.trim() ?? "",
    commands,
    content: bare.replaceAll(/\r?\n/g, "\r\n"),
    wire: upload.replaceAll(/\r?\n/g, "\r\n"),
    answers: servercmd.flatMap((line) => {
      const match = /^REPLY (\S+) (\d.*)$/.exec(line);
      return match === null ? [] : [[match[1] ?? "", match[2] ?? ""] as const];
    }),
    mechanisms: servercmd.find((line) => line.startsWith("AUTH ")),
  };
}

function expand(text: string): string {
  return text
    .replaceAll("%LT", "<")
    .replaceAll("%GT", ">")
    .replaceAll("%TESTNUMBER", "our.test")
    .replaceAll(/%b64\[(.*?)\]b64%/g, (_, inner: string) =>
      Buffer.from(
        inner.replaceAll(/%([0-9A-F]{2})/g, (__, hex: string) => String.fromCharCode(parseInt(hex, 16))),
      ).toString("base64"),
    );
}

/** Plays the test through the core; the wire without replies, commands and content apart. */
function play(curl: CurlTest): { readonly commands: readonly string[]; readonly content: string } {
  const commands: string[] = [];
  let content = "";
  const core = new ClientProtocol({ dialect: "smtp", heloName: "our.test", timeouts: standardTimeouts });
  const answerTo = (line: string): string => {
    const special = curl.answers.find(([verb]) => line.startsWith(verb));
    if (special !== undefined) return special[1];
    if (line.startsWith("EHLO")) return `250-peer.test\r\n250 ${curl.mechanisms ?? "SIZE"}`;
    if (line.startsWith("DATA")) return "354 go";
    return line.startsWith("QUIT") ? "221 bye" : "250 ok";
  };
  const run = (): ClientEvent => {
    for (;;) {
      const event = core.nextEvent();
      if (event !== undefined) return event;
      const output = Buffer.from(core.takeOutput() ?? []).toString();
      assert.notEqual(output, "", "the core waits for nothing");
      if (commands.at(-1) === "DATA") {
        content = output;
        commands.push(".");
        core.receive(Buffer.from("250 queued\r\n"), 0);
        continue;
      }
      const line = output.slice(0, -2);
      commands.push(line);
      core.receive(Buffer.from(`${answerTo(line)}\r\n`), 0);
    }
  };
  core.greet(0);
  core.receive(Buffer.from("220 peer.test\r\n"), 0);
  assert.equal(run().kind, "greeted");
  core.hello(0);
  assert.equal(run().kind, "hello-done");
  if (curl.commands.some((command) => command.startsWith("AUTH"))) {
    core.authenticate({ username: "user", password: "secret" }, 0);
    assert.equal(run().kind, "authenticated");
  }
  const path = (command: string): string => /<(.*)>/.exec(command)?.[1] ?? "";
  const bytes = Buffer.from(curl.content);
  core.transact(
    {
      envelope: {
        reversePath: path(curl.commands.find((command) => command.startsWith("MAIL")) ?? ""),
        recipients: curl.commands
          .filter((command) => command.startsWith("RCPT"))
          .map((line) => ({ address: path(line) })),
        body: "7BIT",
        smtpUtf8: false,
        size: bytes.length,
      },
      content: { kind: "whole", parts: [bytes] },
    },
    0,
  );
  assert.equal(run().kind, "transaction-done");
  core.quit(0);
  assert.equal(run().kind, "quit-done");
  // We add what curl leaves to its user, and the size where it is offered.
  const plain = commands
    .filter((command) => command !== ".")
    .map((command) => command.replace(/ (?:SIZE=\d+|AUTH=<>)/g, ""));
  return { commands: plain, content };
}

test("SMTPC-018: curl's client tests: commands and content are on the wire as they want them", async (t) => {
  const folder = vectorPath(t, "smtp", "curl-client");
  if (folder === undefined) return;
  const files = readdirSync(folder).filter((file) => file.endsWith(".txt"));
  const nameOf = (file: string): string => file;
  await runVectors(t, "smtp/curl-client", files, nameOf, (file) => {
    const curl = readTest(readFileSync(join(folder, file), "utf8"));
    if (curl === undefined) return { skipped: "not a message that curl sends as it is" };
    const seen = play(curl);
    assert.deepEqual(seen.commands, curl.commands, curl.name);
    assert.equal(seen.content, curl.wire, curl.name);
    return undefined;
  });
});
