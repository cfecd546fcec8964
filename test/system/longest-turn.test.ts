/**
 * How long a stranger can keep the event loop of a real server busy in one turn, with each kind of hostile mail:
 * `npm test -- test/system/longest-turn.test.ts --test-reporter=spec` prints the table of docs/reliability.md. Times are
 * told and never asserted; what is asserted is that others are served while the work goes on.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { hostileMail, type HostileMail } from "./hostile-mail.ts";
import { ServerFolder, type ServerProcess } from "./server-process.ts";
import type { Client } from "./support.ts";
import type { LongestTurn } from "./turn-probe.ts";

const probe = fileURLToPath(new URL("turn-probe.ts", import.meta.url));
const options = { timeout: 120_000 };
/** A session with more that do nothing is ended. */
const commandsMax = 10;
const addresses = { user: "ann@example.org", reports: "reports@example.org" } as const;

let folder: ServerFolder;
let server: ServerProcess;
let measured = 0;
before(async () => {
  folder = await ServerFolder.make();
  await folder.configure(
    '[reports]\naddress = "reports@example.org"\n[authentication]\ncheck = true\n[dns]\nservers = ["127.0.0.1:9"]',
  );
  server = await folder.start({ nodeOptions: ["--import", probe] });
  await warmUp();
});
/** Code that runs for the first time is compiled first. */
async function warmUp(): Promise<void> {
  const { client } = await server.client();
  for (const mail of hostileMail.filter(({ heavy }) => !heavy).slice(0, 3)) await send(client, mail);
  client.connection.destroy();
}

after(() => folder[Symbol.asyncDispose]());

/** Since the call before. */
async function longestTurn(): Promise<LongestTurn> {
  server.signal("SIGUSR2");
  return (await server.event("longest-turn", ++measured)) as unknown as LongestTurn;
}

/** The reply to the content. */
async function send(client: Client, { to, content }: HostileMail): Promise<string> {
  await client.expect("MAIL FROM:<a@evil.test>", "250");
  await client.expect(`RCPT TO:<${addresses[to]}>`, "250");
  await client.expect("DATA", "354");
  await client.connection.write(Buffer.from(`${content()}.\r\n`, "latin1"));
  return await client.reply();
}

for (const mail of hostileMail) {
  test(`hostile mail: ${mail.name}`, options, async (t) => {
    const { client } = await server.client();
    // Made before the clock runs, since it takes this process a while.
    const content = mail.content();
    const { client: other } = await server.client();
    const handled = () => server.of("report-received").length + server.of("report-unreadable").length;
    const before = handled();
    await longestTurn();
    const reply = await send(client, { ...mail, content: () => content });
    assert.match(reply, /^(?:250|4\d\d|5\d\d) /);
    let served = 0;
    if (mail.to === "reports" && reply.startsWith("250")) {
      for (; handled() === before && served < commandsMax; served++) await other.expect("NOOP", "250");
      while (handled() === before) await server.nextEvent();
      assert.ok(served > 0 || !mail.heavy, "somebody was served while it was read");
    } else {
      await other.expect("NOOP", "250");
    }
    const { processorMs, clockMs, turns } = await longestTurn();
    assert.ok(turns > 0);
    t.diagnostic(
      `longest turn ${processorMs.toFixed(1)} ms of the processor, ${clockMs.toFixed(1)} ms of the clock; ${reply.slice(0, 20)}${served > 0 ? `; ${served} commands of another client meanwhile` : ""}`,
    );
    for (const each of [client, other]) each.connection.destroy();
  });
}
