/** `posthaste send`: sends messages by SMTP and shows what was said. */
import { type Command, jsonOption } from "../command.ts";
import { contentMaker } from "../send/outgoing-content.ts";
import { resolveTargets } from "../send/resolve-target.ts";
import { sendMany } from "../send/send-many.ts";
import { sendOnce } from "../send/send-once.ts";
import { sendPlan, sendTlsChoices } from "../send/send-plan.ts";

export const sendCommand: Command = {
  name: "send",
  summary: "send a message by SMTP and show the dialogue, TLS and timings",
  description:
    "Exit codes: 0 accepted, 65 permanently refused, 69 no server or no TLS, 75 temporarily refused, 77 login refused.\nPasswords never show in the dialogue.",
  options: [
    {
      name: "server",
      short: "s",
      value: "HOST:PORT",
      summary: "where to; default: the MX hosts of the first recipient",
    },
    { name: "from", short: "f", value: "ADDRESS", required: true, summary: "reverse-path; <> is the null one" },
    { name: "to", short: "t", value: "ADDRESS", required: true, multiple: true, summary: "recipient" },
    { name: "tls", value: "MODE", choices: sendTlsChoices, summary: "default opportunistic, on port 465 implicit" },
    { name: "ca", value: "FILE", completes: "file", summary: "further trusted certificates, PEM" },
    { name: "auth", value: "USER:PASSWORD", summary: "log in (others on this machine can see it in the process list)" },
    { name: "user", value: "USER", summary: "log in; the password comes from --password-file or is asked for" },
    { name: "password-file", value: "FILE", completes: "file", summary: "file with the password; - is standard input" },
    { name: "subject", value: "TEXT", summary: "subject of the message that is made" },
    { name: "body", value: "TEXT", summary: "its text" },
    { name: "header", value: "LINE", multiple: true, summary: '"Name: value", added on top' },
    {
      name: "attach",
      value: "FILE",
      multiple: true,
      completes: "file",
      summary: "attached to the message that is made",
    },
    { name: "count", short: "n", value: "N", summary: "send N messages, with progress, rate and latencies" },
    { name: "concurrency", value: "N", summary: "with --count: over N sessions at once; default 1" },
    { name: "reconnect", summary: "with --count: a connection of its own for each message" },
    { name: "helo", value: "NAME", summary: "name to say in EHLO; default localhost" },
    { name: "lmtp", summary: "speak LMTP" },
    { name: "timeout", value: "TIME", summary: "wait for each reply; default 30s" },
    { name: "quiet", short: "q", summary: "only the outcome, without the dialogue" },
    jsonOption,
  ],
  positionals: [
    { name: "FILE", optional: true, completes: "file", summary: "a message to send as it is; - is standard input" },
  ],
  examples: [
    { line: "posthaste send -s localhost:1025 -f ann@example.org -t bob@example.org", does: "a test message" },
    {
      line: "posthaste send -s mail.example.org:587 --tls verified --user ann@example.org -f ann@example.org -t bob@example.org letter.eml",
      does: "a file, after a login",
    },
    {
      line: "posthaste send -s localhost:1025 -f a@example.org -t b@example.org --count 10000 --concurrency 20",
      does: "a load test",
    },
  ],
  run: async (given, context) => {
    const plan = await sendPlan(given, context);
    const make = await contentMaker(given, plan, context);
    const targets = await resolveTargets(plan, context);
    const output = { json: given.flag("json"), quiet: given.flag("quiet") };
    return plan.count === 1
      ? await sendOnce({ plan, targets, content: make() }, output, context)
      : await sendMany({ plan, targets, content: make }, output, context);
  },
};
