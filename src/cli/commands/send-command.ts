/** `posthaste send`: sends messages by SMTP and shows what was said. */
import { type Command, jsonOption } from "../command.ts";
import { contentMaker } from "../send/outgoing-content.ts";
import { resolveTargets } from "../send/resolve-target.ts";
import { sendMany } from "../send/send-many.ts";
import { sendOnce } from "../send/send-once.ts";
import { sendPlan, sendTlsChoices } from "../send/send-plan.ts";

export const sendCommand: Command = {
  name: "send",
  summary: "send a message over SMTP and show the dialogue, TLS and timings",
  description:
    "Exit codes: 0 accepted, 65 permanently refused, 69 no server or no TLS, 75 temporarily refused, 77 login refused.\nThe dialogue never shows passwords.",
  options: [
    {
      name: "server",
      short: "s",
      value: "HOST:PORT",
      summary: "server to send to; default: the MX hosts of the first recipient",
    },
    { name: "from", short: "f", value: "ADDRESS", required: true, summary: "reverse-path; <> is the null one" },
    { name: "to", short: "t", value: "ADDRESS", required: true, multiple: true, summary: "recipient" },
    { name: "tls", value: "MODE", choices: sendTlsChoices, summary: "default: opportunistic, or implicit on port 465" },
    { name: "ca", value: "FILE", completes: "file", summary: "additional trusted certificates, PEM" },
    {
      name: "auth",
      value: "USER:PASSWORD",
      summary: "log in (other users of this machine can see the password in the process list)",
    },
    { name: "user", value: "USER", summary: "log in with the password from --password-file or from a prompt" },
    { name: "password-file", value: "FILE", completes: "file", summary: "file with the password; - is standard input" },
    { name: "subject", value: "TEXT", summary: "subject of the test message" },
    { name: "body", value: "TEXT", summary: "text of the test message" },
    { name: "header", value: "LINE", multiple: true, summary: '"Name: value", added to the header' },
    {
      name: "attach",
      value: "FILE",
      multiple: true,
      completes: "file",
      summary: "file to attach to the test message",
    },
    { name: "count", short: "n", value: "N", summary: "send N messages and show progress, rate and latencies" },
    { name: "concurrency", value: "N", summary: "with --count: use N sessions at once; default 1" },
    { name: "reconnect", summary: "with --count: open a new connection for each message" },
    { name: "helo", value: "NAME", summary: "name to send in EHLO; default localhost" },
    { name: "lmtp", summary: "speak LMTP" },
    { name: "timeout", value: "TIME", summary: "time to wait for each reply; default 30s" },
    { name: "quiet", short: "q", summary: "print only the result, without the dialogue" },
    jsonOption,
  ],
  positionals: [
    { name: "FILE", optional: true, completes: "file", summary: "a message to send unchanged; - is standard input" },
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
