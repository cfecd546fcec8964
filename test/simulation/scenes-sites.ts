/** Scenes of what one site or one message is like, for which others must not pay. */
import type { Scene } from "./stage.ts";

const minuteMs = 60_000;
const everything = ["SIZE 1000000", "8BITMIME", "SMTPUTF8", "STARTTLS", "PIPELINING"] as const;

/** The first MX host is down for a while, and the second lacks an extension or two that mail for the site needs. */
export const backupLacks: Scene = {
  name: "a backup host that lacks extensions",
  numbers: { flooded: false },
  play: async (stage) => {
    const { chance, machine } = stage;
    const domain = "two-hosts.test";
    const primary = await stage.host(domain, "ordinary", { keywords: () => everything });
    const lacks = chance.pick(everything.slice(0, 3));
    const keywords = everything.filter((keyword) => keyword !== lacks && !(keyword === "STARTTLS" && chance.is(0.5)));
    const backup = await stage.host("backup-of-two-hosts.test", "ordinary", {
      keywords: () => (lacks.startsWith("SIZE") ? [...keywords, "SIZE 5000"] : keywords),
    });
    stage.backUp(domain, backup);
    stage.at(-1_000, () => machine.network.cut(primary.address));
    stage.at(chance.between(10, 50) * minuteMs, () => machine.network.join(primary.address));
    for (let index = 0; index < 4; index++) {
      const afterMs = index * 60_000;
      stage.send(afterMs, { from: "lists@d0.test", to: [`user${index}@${domain}`], length: 20_000 });
      // 8-bit content under the signature of a stranger cannot be converted.
      const header = "DKIM-Signature: v=1; a=rsa-sha256; d=d0.test; s=s; h=From; bh=AAAA; b=AAAA\r\n";
      stage.send(afterMs + 1_000, { from: "lists@d0.test", to: [`user${index}@${domain}`], header });
      const parameters = " SMTPUTF8";
      stage.send(afterMs + 2_000, { from: "lists@d0.test", to: [`jürgen${index}@${domain}`], parameters });
      stage.send(afterMs + 3_000, { from: "ann@example.org", to: [`user${index}@${domain}`], by: "submitter" });
    }
  },
};

/** A server without 8BITMIME: everything that can be is converted, signed anew, and arrives as it was. */
export const sevenBit: Scene = {
  name: "a receiver without 8BITMIME",
  numbers: { flooded: false },
  play: async (stage) => {
    const { domain } = await stage.host("seven-bit.test", "seven-bit");
    for (let index = 0; index < 8; index++) {
      const to = [`user${index}@${domain}`];
      const length = stage.chance.pick([50, 5_000, 100_000]);
      stage.promise(2 * minuteMs, index * 1_000, { from: "ann@example.org", to, length, header: "", by: "submitter" });
      stage.promise(2 * minuteMs, index * 1_000, { from: "lists@d0.test", to, length, header: "" });
    }
  },
};

/** A server that takes content and never says so, on connections that were kept: each attempt gives it one copy. */
export const lostReplies: Scene = {
  name: "replies to content that are lost",
  numbers: { deliveries: 500, deliveriesPerSite: 2, ready: 2_000, flooded: false, keepIdleMs: 30_000 },
  play: async (stage) => {
    const { domain } = await stage.host("forgetful.test", "loses-replies");
    for (let index = 0; index < 30; index++) {
      stage.send(index * 3_000, { from: "lists@d0.test", to: [`user${index}@${domain}`] });
    }
  },
};

/** Messages of which each breaks its connection, first; then a provider's ordinary mail, which is not held up by them. */
export const poison: Scene = {
  name: "poison messages",
  numbers: { deliveries: 500, deliveriesPerSite: 5, ready: 2_000, flooded: false },
  play: async (stage) => {
    const { domain } = await stage.host("poisoned.test", "poisoned");
    for (let index = 0; index < 5; index++) {
      stage.send(index * 2_000, { from: "poison@d0.test", to: [`user${index}@${domain}`] });
    }
    for (let index = 0; index < 12; index++) {
      const errand = { from: "ann@example.org", to: [`user${index}@${domain}`], by: "submitter" } as const;
      stage.promise(30_000, 12_000 + index * 2_000, errand);
    }
  },
};
