/** Scenes of mail that no person writes: honest floods of it, and circles. */
import { hostName } from "./world.ts";
import type { Scene } from "./stage.ts";

const minuteMs = 60_000;
const automatic = "Auto-Submitted: auto-generated\r\n";

/** A night's cron, and the bounces of a mailing: much at once, all of it honest, none of it late. */
export const automaticMail: Scene = {
  name: "honest automatic mail",
  numbers: { deliveries: 500, ready: 2_000, flooded: false },
  play: async (stage) => {
    for (let index = 0; index < 40; index++) {
      stage.promise(minuteMs, index * 300, { from: "root@example.org", to: ["ann@example.org"], header: automatic });
    }
    for (let index = 0; index < 60; index++) {
      stage.promise(minuteMs, index * 1_000, { from: "", to: ["bob@example.org"], header: automatic });
    }
    for (let index = 0; index < 30; index++) {
      const errand = { from: "lists@d0.test", to: [`user1@${stage.healthy.domain}`], header: automatic };
      stage.promise(2 * minuteMs, index * 1_000, errand);
    }
  },
};

/** Two who answer whatever comes, each other's answers too: they are slowed down, and nothing of theirs is held. */
export const autoResponders: Scene = {
  name: "auto-responders that answer each other",
  numbers: { deliveries: 500, ready: 2_000, flooded: false },
  play: async (stage) => {
    let answers = 0;
    const { clock } = stage.machine;
    const replies = (from: string, to: string): void => {
      if (!/^away@(?:left|right)\.test$/.test(to) || ++answers > 500) return;
      const afterMs = stage.chance.between(200, 1_500);
      const header = "Auto-Submitted: auto-replied\r\n";
      clock.setTimer(afterMs, () => void stage.workload.send(0, { from, to: [to], header }));
    };
    await stage.host("left.test", "auto-responder", { replies });
    await stage.host("right.test", "auto-responder", { replies });
    // Each of these begins a circle of its own.
    for (const index of [0, 1, 2]) stage.send(index * 1_000, { from: "away@left.test", to: ["away@right.test"] });
  },
};

/** Mail that has been here before, and keeps coming: what is held of it is not held in silence. */
export const loopsHeld: Scene = {
  name: "a loop that is held",
  isLong: true,
  numbers: { flooded: false, ready: 2_000, expireMs: 36 * 3_600_000 },
  play: async (stage) => {
    const header = `Received: from a.test by ${hostName} (Posthaste) with ESMTP id 0123456789AB;\r\n\tThu, 1 Jan 2026 00:00:00 +0000\r\n`;
    for (let index = 0; index < 26; index++) {
      stage.send(index * 1_000, { from: "lists@d0.test", to: ["ann@example.org"], header });
    }
    // Five times is a circle: it fails at once, and its sender is told.
    stage.promise(minuteMs, 40_000, { from: "ann@example.org", to: ["bob@example.org"], header: header.repeat(5) });
  },
};
