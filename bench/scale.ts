/**
 * `npm run bench:scale`: what must not grow with load. A million scheduled recipients, a million overdue ones, messages
 * of 50 MB, ten thousand idle sessions, peers that are slow on purpose, and a site that is dead, each against the real
 * server in its own process. Needs Linux and nothing else; takes some minutes. docs/scale.md has the figures.
 *
 *   npm run bench:scale -- [--only queue|backlog|content|sessions|slow|dead]… [--short] [--recipients N] [--sessions N] [--json]
 */
import { parseArgs } from "node:util";
import { measureBacklog } from "./scale/backlog.ts";
import { measureDeadSite } from "./scale/dead-site.ts";
import { type Figure, figureTable, meetsGoal } from "./scale/figures.ts";
import { measureContent } from "./scale/large-content.ts";
import { measureSessions } from "./scale/many-sessions.ts";
import { machine } from "./scale/measured-server.ts";
import { measureQueue } from "./scale/queue-scale.ts";
import { measureSlowPeers } from "./scale/slow-peers.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    short: { type: "boolean", default: false },
    recipients: { type: "string" },
    sessions: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const { short } = options;
const say = (text: string) => process.stderr.write(`${text}\n`);

const recipients = Number(options.recipients ?? (short ? 100_000 : 1_000_000));
const parts = {
  queue: () =>
    measureQueue({
      recipients,
      rounds: short ? 2 : 6,
      secondsPerRound: short ? 3 : 10,
      say,
    }),
  backlog: () => measureBacklog(recipients, short ? 3 : 20),
  content: () => measureContent(short ? 5 : 20),
  sessions: () => measureSessions(Number(options.sessions ?? (short ? 1000 : 10_000)), say),
  slow: () => measureSlowPeers(short ? 5 : 20),
  dead: () =>
    measureDeadSite({
      recipients: short ? 10_000 : 100_000,
      rounds: short ? 1 : 4,
      secondsPerRound: short ? 5 : 15,
      say,
    }),
} satisfies Record<string, () => Promise<readonly Figure[]>>;

const unknown = options.only?.find((name) => !(name in parts));
if (unknown !== undefined) {
  say(`there is no part "${unknown}"; the parts are ${Object.keys(parts).join(", ")}`);
  process.exit(64);
}
const figures: Figure[] = [];
for (const [name, measure] of Object.entries(parts)) {
  if (options.only !== undefined && !options.only.includes(name)) continue;
  say(`measuring: ${name} …`);
  figures.push(...(await measure()));
}
if (options.json) console.log(JSON.stringify({ machine: machine(), figures }, undefined, 2));
else console.log(`${machine()}\n\n${figureTable(figures)}`);
process.exitCode = figures.every((figure) => meetsGoal(figure) !== false) ? 0 : 1;
