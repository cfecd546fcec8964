/** The collected command lines and sessions, against the core with a driver that knows three users. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readVectors } from "../../testing/conformance-data.ts";
import { runVectors } from "../../testing/run-vectors.ts";
import { reply } from "../reply.ts";
import { Conversation, type Judge } from "../../testing/server-conversation.ts";

const users = new Set(["bob", "alice", "postmaster"]);

const judge: Judge = (event) => {
  if (event.kind !== "recipient") return "proceed";
  const { localPart, domainKey } = event.forwardPath;
  if (domainKey !== "" && domainKey !== "rcpt.example") return reply(550, "5.7.1", "Relaying denied");
  return users.has(localPart.toLowerCase()) ? "proceed" : reply(550, "5.1.1", "No such user");
};

const states: Readonly<Record<string, string>> = {
  connected: "",
  greeted: "EHLO client.example\r\n",
  mail: "EHLO client.example\r\nMAIL FROM:<a@sender.example>\r\n",
  rcpt: "EHLO client.example\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<bob@rcpt.example>\r\n",
};

interface CommandCase {
  readonly state: string;
  readonly line: string;
  readonly expect: string;
}

test("conformance: single commands in each state", async (t) => {
  const data = readVectors<{ readonly cases: readonly CommandCase[] }>(t, "smtp", "commands.json");
  if (data === undefined) return;
  const nameOf = ({ state, line }: CommandCase): string => `${state}: ${line}`;
  await runVectors(t, "smtp/commands", data.cases, nameOf, ({ state, line, expect }) => {
    const conversation = new Conversation({ messageBytesMax: 10_485_760 }, judge).send(
      states[state] ?? assert.fail(`the state ${state} is unknown`),
    );
    conversation.read();
    conversation.send(Buffer.from(`${line}\r\n`, "utf8"));
    // A chunk that the command names is sent, so that an answer is due.
    const size = Number(/^BDAT (\d{1,4})\b/.exec(line)?.[1] ?? 0);
    if (size > 0) conversation.send("x".repeat(size));
    const code = conversation.read().slice(0, 3);
    const allowed = expect.split("|");
    assert.ok(
      allowed.includes(code) || (allowed.includes("close") && conversation.closeCause !== undefined),
      `${code}, not ${expect}`,
    );
  });
});

interface SessionCase {
  readonly id: string;
  readonly steps: readonly ({ readonly send: string } | { readonly expect: string; readonly re?: string })[];
}

test("conformance: sessions, as sent and octet by octet", async (t) => {
  const data = readVectors<{ readonly cases: readonly SessionCase[] }>(t, "smtp", "sessions.json");
  if (data === undefined) return;
  await runVectors(
    t,
    "smtp/sessions",
    data.cases,
    ({ id }) => id,
    (session) => {
      playSession(session, "whole");
      playSession(session, "octets");
    },
  );
});

function playSession({ steps }: SessionCase, cut: "whole" | "octets"): void {
  const conversation = new Conversation(
    {
      messageBytesMax: 10_485_760,
      tlsAvailable: true,
      authMechanisms: { clear: ["PLAIN", "LOGIN"], tls: ["PLAIN", "LOGIN"] },
    },
    judge,
  );
  const injects = steps.some((step) => "send" in step && /STARTTLS\r\n./is.test(step.send));
  let unread = "";
  for (const step of steps) {
    if ("send" in step) {
      const octets = Buffer.from(step.send, "utf8");
      if (cut === "whole") conversation.send(octets);
      else for (const octet of octets) conversation.send(Uint8Array.of(octet));
      continue;
    }
    unread += conversation.read();
    const [whole = ""] = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(unread) ?? [];
    unread = unread.slice(whole.length);
    const allowed = step.expect.split("|");
    // Where the vector lets the server go on and drop what came in clear, we answer 554 and close.
    if (injects && step === steps.at(-1)) allowed.push("554");
    const closed = allowed.includes("close") && conversation.closeCause !== undefined;
    assert.ok(allowed.includes(whole.slice(0, 3)) || closed, `${JSON.stringify(whole)} for ${step.expect}`);
    if (step.re !== undefined) assert.match(whole, new RegExp(step.re));
  }
}
