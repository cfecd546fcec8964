/** Bans, DNS lists and greylisting in whole servers: through the commands, and over a restart. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SettingsInput } from "../../src/config/settings-schema.ts";
import { minute, SimulatedWorld, stranger } from "./support.ts";

/** The JSON of `posthaste bans …`. */
async function bans(world: SimulatedWorld, line: string): Promise<Record<string, unknown>> {
  const { code, stdout } = await world.command(`bans ${line} --json --data-dir /data`);
  assert.equal(code, 0);
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function banned(world: SimulatedWorld): Promise<readonly string[]> {
  const { bans: inForce } = (await bans(world, "list")) as { bans: { network: string; offence: string }[] };
  return inForce.map(({ network, offence }) => `${network} ${offence}`);
}

async function guess(world: SimulatedWorld, times: number): Promise<void> {
  const client = await world.client("submissions");
  for (let user = 0; user < times; user++) {
    const response = Buffer.from(`\0u${user}@example.org\0x`).toString("base64");
    await client.expect(`AUTH PLAIN ${response}`, "535");
  }
}

test("a ban and the network of a user outlive a restart; posthaste bans lists, explains and lifts", async () => {
  const settings: Partial<SettingsInput> = { bans: { failed_logins: 3, tarpit: "0s" } };
  await using world = await SimulatedWorld.start(settings);
  await guess(world, 4);
  await world.quiet();
  assert.deepEqual(await banned(world), [`${stranger} failed-login`]);
  await world.stop();

  await world.start(settings);
  assert.deepEqual(await banned(world), [`${stranger} failed-login`]);
  await assert.rejects(world.client("submissions"));
  await world.client("mx");
  const { lifted } = (await bans(world, `lift ${stranger}`)) as { lifted: unknown[] };
  assert.equal(lifted.length, 1);
  assert.deepEqual(world.log.of("ban-lifted"), [{ network: stranger, service: "submission" }]);
  await world.submitter();
  await world.quiet();
  await world.stop();

  await world.start(settings);
  assert.deepEqual(await banned(world), [], "a lifted ban does not come back");
  await guess(world, 8);
  assert.deepEqual(await banned(world), []);
  assert.equal((await bans(world, `explain ${stranger}`))["never_banned"], "signed-in-lately");
  const { stdout } = await world.command(`bans explain u1@example.org --data-dir /data`);
  assert.match(stdout, /^u1@example\.org\n {2}1 failed login remembered; the next attempt need not wait\.\n$/);
});

test("a DNS list is tested at the start and refuses; a sender that greylisting knows is known after a restart", async () => {
  const settings: Partial<SettingsInput> = {
    blocklists: { list: [{ zone: "zen.test" }], refuse_at: 2 },
    greylisting: { enabled: true, list_score: 9 },
  };
  const world = new SimulatedWorld();
  await using _ = world;
  world.resolver.add("2.0.0.127.zen.test", "A", "127.0.0.2").add("9.113.0.203.zen.test", "A", "127.0.0.4");
  await world.start({ ...settings, blocklists: { ...settings.blocklists, refuse_at: 1 } });
  await world.quiet();
  assert.deepEqual(world.log.of("blocklist-works"), [{ zone: "zen.test" }]);
  const reply = async (from: string) => {
    const client = await world.client("mx", from);
    await client.expect("MAIL FROM:<s@x.test>", "250");
    const said = await client.expect("RCPT TO:<ann@example.org>", "");
    await client.expect("QUIT", "221");
    return said.slice(0, 9);
  };
  assert.equal(await reply("203.0.113.9"), "554 5.7.1");
  assert.equal(await reply(stranger), "451 4.7.1");
  await world.advance(5 * minute);
  assert.equal(await reply(stranger), "250 2.1.5");
  await world.quiet();
  await world.stop();
  await world.start(settings);
  assert.equal(await reply(stranger), "250 2.1.5");
});
