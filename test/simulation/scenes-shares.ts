/** Scenes of what is shared: slots, addresses, sites and mailboxes that some fill and others need. */
import type { Scene, Stage } from "./stage.ts";

const minuteMs = 60_000;
/** So few slots that names of one address could take them all. */
const fewSlots = { deliveries: 8, deliveriesPerSite: 2, ready: 2_000, flooded: false } as const;

/** Hosts that never say a word, each with many names, beside one that is well and has as many. */
export const manyNames: Scene = {
  name: "many names at one address",
  numbers: fewSlots,
  play: async (stage) => {
    const silent = [
      await stage.host("silent-a.test", "never-greets"),
      await stage.host("silent-b.test", "never-greets"),
    ];
    const good = await stage.host("shared.test", "ordinary");
    for (let index = 0; index < 20; index++) {
      for (const host of silent) stage.name(`n${index}.${host.domain}`, host);
      stage.name(`n${index}.shared.test`, good);
    }
    // Sites that answered lately have slots that strangers cannot take.
    for (let index = 0; index < 20; index++) {
      stage.send(-15 * minuteMs + index * 2_000, { from: "lists@d0.test", to: [`user1@n${index}.shared.test`] });
    }
    stage.send(-10 * minuteMs, { from: "ann@example.org", to: [`user1@${stage.healthy.domain}`] });
    for (let index = 0; index < 20; index++) {
      for (const { domain } of silent)
        stage.send(index * 200, { from: "lists@d0.test", to: [`user2@n${index}.${domain}`] });
    }
    for (let index = 0; index < 20; index++) {
      stage.promise(60_000, 10_000 + index * 3_000, { from: "lists@d0.test", to: [`user3@n${index}.shared.test`] });
    }
    toEverybodyElse(stage);
  },
};

/** What strangers make us owe: reports to hosts that never say a word. */
export const manyReports: Scene = {
  name: "many reports to one address",
  numbers: fewSlots,
  play: async (stage) => {
    const silent = [
      await stage.host("silent-a.test", "never-greets"),
      await stage.host("silent-b.test", "never-greets"),
    ];
    const good = await stage.host("fresh.test", "ordinary");
    stage.send(-10 * minuteMs, { from: "ann@example.org", to: [`user1@${stage.healthy.domain}`] });
    for (let index = 0; index < 20; index++) {
      for (const host of silent) {
        stage.name(`n${index}.${host.domain}`, host);
        const from = `user@n${index}.${host.domain}`;
        stage.send(index * 200, { from, to: [`no-1@${stage.healthy.domain}`] });
      }
      stage.name(`n${index}.fresh.test`, good);
      // Never seen before, so it has no slots kept for it.
      stage.promise(60_000, 20_000 + index * 5_000, { from: "lists@d0.test", to: [`user1@n${index}.fresh.test`] });
    }
    toEverybodyElse(stage);
  },
};

/** The file system of one mailbox hangs, and much mail comes for it. */
export const slowMailbox: Scene = {
  name: "a mailbox that hangs",
  numbers: { ready: 2_000, flooded: false },
  play: async (stage) => {
    const folder = "/data/mail/example.org/bob";
    const { hanging } = stage.machine.files;
    stage.hangingMailboxes.add("bob@example.org");
    stage.at(-1_000, () => hanging.set(folder, stage.chance.between(20_000, 60_000)));
    stage.at(10 * minuteMs, () => void hanging.delete(folder));
    for (let index = 0; index < 40; index++) {
      stage.send(index * 100, { from: "lists@d0.test", to: ["bob@example.org"] });
    }
    toEverybodyElse(stage);
  },
};

/** Two senders at one site that takes its time: one with hundreds of messages, and one with a few. */
export const twoSenders: Scene = {
  name: "two senders of very different size",
  numbers: { deliveries: 500, deliveriesPerSite: 2, ready: 2_000, flooded: false },
  play: async (stage) => {
    await stage.host("provider.test", "leisurely");
    for (let index = 0; index < 150; index++) {
      stage.send(index * 50, { from: "lists@d0.test", to: [`user${index}@provider.test`] });
    }
    for (let index = 0; index < 6; index++) {
      const errand = { from: "ann@example.org", to: [`friend${index}@provider.test`], by: "submitter" } as const;
      stage.promise(6 * minuteMs, 20_000 + index * 40_000, errand);
      stage.promise(6 * minuteMs, 25_000 + index * 40_000, {
        from: "third@d1.test",
        to: [`user${index}@provider.test`],
      });
    }
  },
};

/** A mailing of many transactions, and a few words of the same sender after it. */
export const oneMailing: Scene = {
  name: "a mailing and a small message of one sender",
  numbers: { deliveries: 500, deliveriesPerSite: 2, ready: 2_000, flooded: false, recipientsPerTransaction: 3 },
  play: async (stage) => {
    await stage.host("provider.test", "leisurely");
    const to = Array.from({ length: 90 }, (_, index) => `user${index}@provider.test`);
    stage.send(0, { from: "lists@d0.test", to });
    stage.send(1_000, { from: "lists@d0.test", to });
    for (let index = 0; index < 4; index++) {
      stage.promise(6 * minuteMs, 20_000 + index * 40_000, { from: "lists@d0.test", to: ["friend@provider.test"] });
    }
  },
};

/** One sender writes to a site faster than it takes mail: what came first goes first, however much comes after it. */
export const steadySender: Scene = {
  name: "a sender who writes faster than the site takes",
  numbers: { deliveries: 500, deliveriesPerSite: 2, ready: 2_000, flooded: false },
  play: async (stage) => {
    await stage.host("provider.test", "leisurely");
    for (let index = 0; index < 100; index++) {
      stage.send(index * 1_500, { from: "lists@d0.test", to: [`user${index}@provider.test`] });
    }
  },
};

/** Again and again more comes at once than memory has room for; the rest follows as room is made, with nothing else due. */
export const beyondMemory: Scene = {
  name: "more fresh mail than memory has room for",
  numbers: { deliveries: 500, deliveriesPerSite: 5, ready: 20, flooded: false },
  play: async (stage) => {
    await stage.host("provider.test", "leisurely");
    for (let index = 0; index < 120; index++) {
      const atMs = Math.floor(index / 30) * 6 * minuteMs + (index % 30) * 100;
      stage.promise(4 * minuteMs, atMs, { from: "lists@d0.test", to: [`user${index}@provider.test`] });
    }
  },
};

/** A mailing of which most waits on the disk, and others who write to the same site while it still comes. */
export const mailingOnDisk: Scene = {
  name: "a mailing larger than the memory",
  numbers: { deliveries: 500, deliveriesPerSite: 2, ready: 20, flooded: false },
  play: async (stage) => {
    await stage.host("provider.test", "leisurely");
    for (let index = 0; index < 300; index++) {
      stage.send(index * 500, { from: "lists@d0.test", to: [`user${index}@provider.test`] });
    }
    for (let index = 0; index < 6; index++) {
      const errand = { from: "ann@example.org", to: [`friend${index}@provider.test`], by: "submitter" } as const;
      stage.promise(6 * minuteMs, 20_000 + index * 15_000, errand);
      stage.promise(6 * minuteMs, 27_000 + index * 15_000, {
        from: "third@d1.test",
        to: [`user${index}@provider.test`],
      });
    }
  },
};

/** Whatever strangers do, mail into mailboxes here takes seconds, and so does mail to a site that is well. */
function toEverybodyElse(stage: Stage): void {
  for (let index = 0; index < 8; index++) {
    stage.promise(20_000, 5_000 + index * 15_000, { from: "lists@d0.test", to: ["ann@example.org"] });
    const errand = { from: "ann@example.org", to: [`user5@${stage.healthy.domain}`], by: "submitter" } as const;
    stage.promise(60_000, 8_000 + index * 15_000, errand);
  }
}
