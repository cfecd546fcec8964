/** Scenes of operators and what they mend, of programs that submit, and of leases that run out in memory. */
import type { Scene } from "./stage.ts";

const minuteMs = 60_000;

/** Programs that submit send LF; what they send arrives whole, as one message. */
export const bareLineFeeds: Scene = {
  name: "programs that submit with LF",
  numbers: { flooded: false },
  play: async (stage) => {
    for (let index = 0; index < 12; index++) {
      const to = [index % 2 === 0 ? `user${index}@${stage.healthy.domain}` : "ann@example.org"];
      const length = stage.chance.pick([50, 3_000]);
      stage.promise(5 * minuteMs, index * 1_000, {
        from: "ann@example.org",
        to,
        by: "submitter",
        bareLf: true,
        length,
      });
    }
  },
};

/** While mail waits in memory the disk refuses what an operator asks for, and a reload is refused: mail goes on. */
export const refusedVerbs: Scene = {
  name: "verbs and reloads that are refused",
  numbers: { deliveries: 500, deliveriesPerSite: 2, ready: 2_000, flooded: false },
  play: async (stage) => {
    const { chance, machine, workload } = stage;
    const { domain } = await stage.host("provider.test", "leisurely");
    for (let index = 0; index < 40; index++) {
      const errand = { from: "lists@d0.test", to: [`user${index}@${domain}`] };
      stage.promise(20 * minuteMs, index * 50, errand, { despiteVerbs: true });
    }
    const afterMs = 10_000 + chance.below(20_000);
    const verb = chance.pick(["hold", "hold", "remove"] as const);
    stage.at(afterMs, () => {
      stage.faults.failDisk(30_000);
      void workload.operate(verb, { domain });
    });
    stage.at(afterMs + chance.below(60_000), () => void machine.reloadInVain());
    // Whatever became of the verb, what came after it goes out, once the first have.
    for (let index = 0; index < 5; index++) {
      const errand = { from: "ann@example.org", to: [`friend${index}@${domain}`], by: "submitter" } as const;
      stage.promise(10 * minuteMs, afterMs + 40_000 + index * 1_000, errand);
    }
  },
};

/** Mail waits in memory for a slow site when the clock is set forward by more than a lease lasts. */
export const staleLeases: Scene = {
  name: "leases that run out in memory",
  numbers: { deliveries: 500, deliveriesPerSite: 1, ready: 2_000, flooded: false },
  play: async (stage) => {
    const { chance } = stage;
    const { domain } = await stage.host("provider.test", "leisurely");
    for (let index = 0; index < 60; index++) {
      stage.send(index * 50, { from: "lists@d0.test", to: [`user${index}@${domain}`] });
    }
    const afterMs = 15_000 + chance.below(60_000);
    stage.at(afterMs, () => stage.faults.setClock(chance.between(21, 58) * minuteMs));
    // A person has the schedule read before the leases are renewed.
    stage.at(afterMs + chance.below(20_000), () => void stage.workload.operate("retry", { domain: "nobody.test" }));
  },
};

/** The power fails again and again in the middle of a mailbox file; what is there afterwards is whole. */
export const powerLossInMailbox: Scene = {
  name: "power that fails while mailboxes are written",
  numbers: { flooded: false },
  play: async (stage) => {
    for (let index = 0; index < 8; index++) {
      const afterMs = index * 2 * minuteMs;
      stage.at(afterMs - 1_000, () => stage.faults.losePowerInMailbox());
      stage.send(afterMs, { from: "ann@example.org", to: ["ann@example.org"], by: "submitter", length: 3_000 });
    }
  },
};

/**
 * Much mail waits for a host that is down, and a person wants it tried, again and again: each time one delivery finds out
 * whether the host is back, and when it is, all the mail goes out.
 */
export const wokenTooEarly: Scene = {
  name: "a site whose rest a person ends too early",
  numbers: { deliveries: 500, deliveriesPerSite: 5, ready: 2_000, flooded: false, expireMs: 36 * 60 * minuteMs },
  play: async (stage) => {
    const { chance, machine } = stage;
    const { address, domain } = await stage.host("woken.test", "ordinary");
    stage.at(-1_000, () => machine.network.cut(address));
    const backAtMs = chance.between(12, 20) * minuteMs;
    for (let index = 0; index < 20; index++) {
      const errand = { from: "lists@d0.test", to: [`user${index}@${domain}`] };
      stage.arrives(backAtMs + 10 * minuteMs, index * 500, errand);
    }
    for (const atMs of [4 * minuteMs, 8 * minuteMs, backAtMs + minuteMs]) stage.operate(atMs, "retry", domain);
    stage.at(backAtMs, () => machine.network.join(address));
  },
};

/** The content of letters that wait is lost. An operator puts it back from a backup, and releases what was held. */
export const contentLost: Scene = {
  name: "content that is lost",
  numbers: { deliveries: 500, ready: 2_000, flooded: false, expireMs: 36 * 60 * minuteMs },
  play: async (stage) => {
    const receiver = await stage.host("patient.test", "opens-late");
    // Each letter is due again between four and six minutes after it came.
    const lostAtMs = 3 * minuteMs;
    const putBackAtMs = 12 * minuteMs;
    for (let index = 0; index < 4; index++) {
      const to = [`user${index}@${receiver.domain}`, `friend${index}@${receiver.domain}`];
      const errand = { from: "ann@example.org", to, by: "submitter" } as const;
      const sent = stage.arrives(putBackAtMs + 4 * minuteMs, index * 1_000, errand);
      stage.loseContent(sent, lostAtMs, putBackAtMs);
    }
    stage.at(lostAtMs, () => receiver.open());
    stage.operate(putBackAtMs + minuteMs, "release", receiver.domain);
  },
};
