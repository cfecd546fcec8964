/** Delivery to mailboxes over LMTP, where each recipient has a reply of its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OutboundWorld, type LmtpHop, hosts, brief, modernExtensions } from "../testing/outbound-world.ts";
import { decided } from "../testing/hop-hosts.ts";
import { close, type PeerCommand, ScriptedPeer } from "../testing/scripted-peer.ts";

test("LMTP: replies are kept per recipient, delivered is final, and DSN parameters stay here", async () => {
  await using world = new OutboundWorld();
  const endpoint = { kind: "unix", path: "/run/lmtp", tls: decided("localhost", "none") } as const;
  const peer = await ScriptedPeer.listen(
    world.network,
    { kind: "unix", path: endpoint.path },
    {
      dialect: "lmtp",
      keywords: modernExtensions,
      answer: ({ verb, recipient }) => (verb === "." && recipient?.includes("full@") ? "452 4.2.2 full" : undefined),
    },
  );
  world.peers.push(peer);
  const hop: LmtpHop = { kind: "lmtp", site: "lmtp", endpoint, description: "lmtp unix:/run/lmtp" };
  const to = ["a@e.org", "full@e.org", { address: "b@e.org", notify: ["SUCCESS"] as const }];
  const outcomes = await world.deliver(world.job({ hop, to }));
  assert.deepEqual(outcomes.map(brief), ["delivered 2.0.0", "deferred 4.2.2", "delivered 2.0.0"]);
  assert.equal(outcomes[1]?.kind === "deferred" && outcomes[1].owner, "recipient");
  assert.equal(peer.lines[0], "LHLO our.test");
  assert.doesNotMatch(peer.lines.join("\n"), /NOTIFY/);
});

test("LMTP-006: a server lost after reply 2 of 3 defers only the third recipient", async () => {
  await using world = new OutboundWorld();
  let replies = 0;
  await world.peer("192.0.2.1", {
    dialect: "lmtp",
    answer: ({ verb }) => (verb === "." && ++replies === 3 ? close : undefined),
  });
  const endpoint = { kind: "hosts", hosts: hosts(1, "none"), port: 25 } as const;
  const hop: LmtpHop = { kind: "lmtp", site: "lmtp", endpoint, description: "lmtp" };
  const outcomes = await world.deliver(world.job({ hop, to: ["a@e.org", "b@e.org", "c@e.org"] }));
  assert.deepEqual(outcomes.map(brief), ["delivered 2.0.0", "delivered 2.0.0", "deferred 4.4.2"]);
});

test("an acceptance that comes with the 354 delivers nothing, over SMTP and over LMTP", async () => {
  for (const dialect of ["smtp", "lmtp"] as const) {
    await using world = new OutboundWorld();
    const answer = ({ verb }: PeerCommand) => (verb === "DATA" ? "354 go\r\n250 2.0.0 kept" : undefined);
    await world.peer("192.0.2.1", { dialect, answer });
    const endpoint = { kind: "hosts", hosts: hosts(1, "none"), port: 25 } as const;
    const hop: LmtpHop = { kind: "lmtp", site: "lmtp", endpoint, description: "lmtp" };
    const outcomes = await world.deliver(world.job(dialect === "lmtp" ? { hop } : {}));
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ["deferred"],
    );
  }
});
