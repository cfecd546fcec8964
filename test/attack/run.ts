/**
 * `npm run attack -- [--short] [--only TEXT] [--seconds 15] [--scale 4] [--sessions 10000]`: attacks on a running server of this
 * checkout, one after the other, while honest mail is sent. Each line tells what the attack came to, how many honest messages
 * were taken, and their 99th percentile beside that of the quiet server. Exit 1 where honest mail is lost, the server does what
 * no attacker may bring it to, or its memory goes beyond what is promised; times are printed and not judged. All of it
 * happens on this machine; as root on Linux in a network namespace, elsewhere on 127.0.0.0/8.
 */
import { parseArgs } from "node:util";
import { openFilesMax } from "../../bench/scale/resident-memory.ts";
import { freePort } from "../interop/support/free-port.ts";
import { type Attack, Breach, type Setting, sleep } from "./attack.ts";
import { AttackedServer, type AttackedServerOptions } from "./attacked-server.ts";
import { crowd, halfOpen, idleSessions } from "./attacks/crowds.ts";
import { chunkFlood, commandFlood, headerFlood, unreadReplies } from "./attacks/floods.ts";
import { bruteForce, handshakeFlood, renegotiation } from "./attacks/logins.ts";
import { slowLoris } from "./attacks/slow.ts";
import { commandsBehindStartTls, repliesBehindStartTls } from "./attacks/starttls.ts";
import { type HonestMail, median, percentile99, sendHonestMail } from "./honest-mail.ts";
import { enterNamespace, hasNamespace } from "./networks.ts";

enterNamespace();
const { values: options } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    only: { type: "string" },
    seconds: { type: "string" },
    scale: { type: "string" },
    sessions: { type: "string" },
  },
});
const durationMs = 1000 * Number(options.seconds ?? (options.short ? 1.2 : 15));
const scale = Number(options.scale ?? (options.short ? 1 : 4));
const wantedSessions = Number(options.sessions ?? (options.short ? 1_000 : 10_000));
/** Both ends of each are in files of two processes, which need some of their own. */
const sessions = Math.min(wantedSessions, openFilesMax() - 500);
/** Memory of the server with 10,000 idle sessions; fewer must stay below it, too. */
const residentMax = { plain: 300, tls: 800 } as const;

const hostilePort = await freePort();
const attacks: readonly Attack[] = [
  commandsBehindStartTls,
  repliesBehindStartTls,
  slowLoris,
  halfOpen,
  commandFlood,
  unreadReplies,
  headerFlood,
  chunkFlood,
  bruteForce,
  renegotiation,
  handshakeFlood,
];
const breaches: string[] = [];
let quiet: HonestMail | undefined;
/** Honest messages that the present server has taken. */
let taken = 0;

say(
  hasNamespace
    ? "everybody has addresses of 10.0.0.0/8, in a network namespace"
    : "everybody is on 127.0.0.0/8, whose clients no limit counts: run it as root on Linux for that",
);
if (sessions < wantedSessions) say(`only ${sessions} idle sessions: \`ulimit -Hn\` allows no more files`);
await onServer({}, async (setting) => {
  // Code that runs for the first time is compiled first.
  tell("warming up", "", await sendHonestMail(setting.server.doors, 1500));
  quiet = await sendHonestMail(setting.server.doors, durationMs + 1000);
  tell("quiet", "", quiet);
  for (const attack of attacks.filter(isWanted)) await underAttack(attack, setting);
});
if (isWanted(crowd)) await onServer({ limit: "ulimit -n 256" }, (setting) => underAttack(crowd, setting));
for (const kind of ["plain", "tls"] as const) {
  const name = `${sessions} idle sessions, ${kind}`;
  if (!isWanted({ name })) continue;
  await onServer({ limits: "connections = 11000" }, (setting) => underCrowd(name, kind, setting));
}
for (const breach of breaches) say(`BREACH: ${breach}`);
say(breaches.length === 0 ? "honest mail arrived, and nothing was breached" : `${breaches.length} breaches`);
process.exit(breaches.length === 0 ? 0 : 1);

function isWanted({ name }: { readonly name: string }): boolean {
  return options.only === undefined || name.includes(options.only);
}

/** A server of its own, which must have every honest message in its mailbox in the end. */
async function onServer(given: AttackedServerOptions, act: (setting: Setting) => Promise<void>): Promise<void> {
  await using server = await AttackedServer.start({ ...given, hostilePort });
  taken = 0;
  await act({ server, durationMs, scale, hostilePort });
  for (let tries = 0; server.delivered < taken && tries < 100; tries++) await sleep(100);
  if (server.delivered < taken) breaches.push(`${taken} honest messages were taken, ${server.delivered} delivered`);
}
async function underAttack(attack: Attack, setting: Setting): Promise<void> {
  const attacking = attack.run({ ...setting, durationMs: durationMs + 500 }).catch((error: unknown) => {
    if (!(error instanceof Breach)) throw error;
    breaches.push(`${attack.name}: ${error.message}`);
    return "BREACH";
  });
  // Attackers first.
  await sleep(300);
  const honest = await sendHonestMail(setting.server.doors, durationMs);
  tell(attack.name, `${await attacking}; ${setting.server.residentMegabytes} MB`, honest);
}

async function underCrowd(name: string, kind: keyof typeof residentMax, setting: Setting): Promise<void> {
  const peers = await idleSessions(setting, sessions, kind === "tls");
  await sleep(1000);
  const megabytes = setting.server.residentMegabytes;
  const honest = await sendHonestMail(setting.server.doors, durationMs);
  const held = peers.filter(({ closed }) => !closed).length;
  for (const peer of peers) peer.socket.destroy();
  tell(name, `${held} held, ${megabytes} MB`, honest);
  if (held < sessions) breaches.push(`${name}: the server held ${held}`);
  if (megabytes > residentMax[kind]) breaches.push(`${name}: ${megabytes} MB, more than ${residentMax[kind]}`);
}

function tell(name: string, note: string, honest: HonestMail): void {
  taken += honest.received.length + honest.submitted.length;
  const times = (["received", "submitted"] as const).map((kind) => {
    const ms = [median(honest[kind]), percentile99(honest[kind])].map((value) => value.toFixed(0));
    const ratio = quiet === undefined ? 1 : percentile99(honest[kind]) / percentile99(quiet[kind]);
    return `${honest[kind].length} ${kind}: median ${ms[0]} ms, p99 ${ms[1]} ms (${ratio.toFixed(1)} ×)`;
  });
  say(`${name}: ${times.join("; ")}; ${honest.refusals} turned away at first${note === "" ? "" : `. ${note}`}`);
  if (honest.lost > 0) breaches.push(`${name}: ${honest.lost} honest messages were lost`);
  if (honest.received.length === 0) breaches.push(`${name}: no honest message was taken`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
