/** Scenes of policies and certificates that change: mail follows them, and no policy costs a letter more than it must. */
import type { Scene, Stage } from "./stage.ts";
import { enforce, genuine, roomyTls, selfSigned, stand } from "./scenes-tls.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** Nothing stands in the way of a letter. */
const soonMs = 5 * minuteMs;

function letters(stage: Stage, domain: string, atMinutes: readonly number[], withinMs = soonMs): void {
  for (const [index, minute] of atMinutes.entries()) {
    const errand = { from: "ann@example.org", to: [`user${index}@${domain}`], by: "submitter" } as const;
    stage.arrives(minute * minuteMs + withinMs, minute * minuteMs, errand);
  }
}

/** What domains publish changes as its owners want: mail goes on all the time. */
export const policiesChange: Scene = {
  name: "policies that change, end, and are of no use",
  numbers: roomyTls,
  withTls: true,
  play: async (stage) => {
    await moves(stage);
    await isLifted(stage);
    await lapses(stage);
    await onlyTests(stage);
    await rollsOver(stage);
    await withdraws(stage);
    await isUnsigned(stage);
  },
};

/** Another host, and a new policy that lists it. */
async function moves(stage: Stage): Promise<void> {
  const { domain, host, world, name, receiver } = await stand(stage, "moving.test", { isSigned: false });
  const { dns } = stage.machine;
  const only = (listed: string, id: string) => ({ id, lines: ["mode: enforce", `mx: ${listed}`, "max_age: 604800"] });
  world.publishPolicy(domain, only(name, "1"));
  stage.at(10 * minuteMs, () => {
    const next = `mx9.${domain}`;
    dns.records.remove(domain).addMx(domain, `10 ${next}`).add(next, "A", receiver.address);
    dns.setTtl(next, 60);
    world.publishPolicy(domain, only(next, "2"));
    host.certificate = genuine(next);
  });
  letters(stage, domain, [0, 15, 20, 30], 8 * minuteMs);
}

/** A domain that wants no policy any more says so, and needs no certificate then. */
async function isLifted(stage: Stage): Promise<void> {
  const { domain, host, world, name } = await stand(stage, "lifted.test", { isSigned: false });
  world.publishPolicy(domain, enforce(domain));
  stage.at(10 * minuteMs, () => {
    world.publishPolicy(domain, { id: "2", lines: ["mode: none", "max_age: 604800"] });
    host.certificate = selfSigned(name);
  });
  letters(stage, domain, [0, 15, 20], 8 * minuteMs);
}

/** A policy whose time is over holds nothing up. */
async function lapses(stage: Stage): Promise<void> {
  const { domain, host, world, name } = await stand(stage, "lapsing.test", { isSigned: false });
  world.publishPolicy(domain, enforce(domain, "1", ["max_age: 600"]));
  stage.at(5 * minuteMs, () => {
    world.withdrawRecord(domain);
    world.page(domain, { fault: "dns" });
  });
  stage.at(12 * minuteMs, () => {
    host.certificate = selfSigned(name);
  });
  letters(stage, domain, [0, 20, 25], 8 * minuteMs);
}

/** A policy that is tried out holds nothing up. */
async function onlyTests(stage: Stage): Promise<void> {
  const { domain, world } = await stand(stage, "testing.test", {
    isSigned: false,
    certificate: selfSigned("mx.testing.test"),
  });
  world.publishPolicy(domain, { id: "1", lines: ["mode: testing", "mx: mx.other.test", "max_age: 604800"] });
  letters(stage, domain, [0, 10, 20]);
}

/** Records for the old and the new certificate first, then the new certificate, then its record alone. */
async function rollsOver(stage: Stage): Promise<void> {
  const { domain, host, world, name } = await stand(stage, "rolling.test", { isSigned: true });
  const old = host.certificate;
  const next = genuine(name, { label: `renewed ${name}`, isTrusted: false });
  world.publishTlsa(name, old);
  world.guard(domain, "dane");
  stage.at(5 * minuteMs, () => world.publishTlsa(name, old, next));
  stage.at(15 * minuteMs, () => {
    host.certificate = next;
  });
  stage.at(25 * minuteMs, () => world.publishTlsa(name, next));
  letters(stage, domain, [0, 4, 12, 16, 24, 31]);
}

/** Records are withdrawn, and only then TLS. */
async function withdraws(stage: Stage): Promise<void> {
  const { domain, host, world, name } = await stand(stage, "withdrawn.test", { isSigned: true });
  world.publishTlsa(name, host.certificate);
  stage.at(5 * minuteMs, () => world.withdrawTlsa(name));
  stage.at(15 * minuteMs, () => {
    host.offersStartTls = false;
  });
  letters(stage, domain, [0, 20, 25]);
}

/** Records without signatures, below a signed host, are anybody's word and hold nothing up. */
async function isUnsigned(stage: Stage): Promise<void> {
  const { domain, world, name } = await stand(stage, "unsigned.test", { isSigned: true });
  world.publishUnsignedTlsa(name, selfSigned("somebody else"));
  letters(stage, domain, [0, 10, 20]);
}

/**
 * Two domains have one mail host, whose certificate nobody can tell from another's. The one with a policy waits for a better
 * one, the one without does not; and nothing made for the one serves the other.
 */
export const sharedHost: Scene = {
  name: "a host of two domains, of which one has a policy",
  numbers: { ...roomyTls, keepIdleMs: 30_000 },
  withTls: true,
  play: async (stage) => {
    const { host, world, name, receiver } = await stand(stage, "shared.test", {
      isSigned: false,
      certificate: selfSigned("mx.shared.test"),
    });
    const [strict, loose] = ["strict.shared.test", "loose.shared.test"];
    for (const domain of [strict, loose]) stage.name(domain, receiver, name);
    world.publishPolicy(strict, { id: "1", lines: ["mode: enforce", `mx: ${name}`, "max_age: 604800"] });
    world.guard(strict, "mta-sts");
    const first = { from: "lists@d0.test", to: [`first@${strict}`, `first@${loose}`] };
    stage.at(0, () => {
      host.certificate = genuine(name);
    });
    stage.send(0, first);
    stage.at(5 * minuteMs, () => {
      host.certificate = selfSigned(name);
    });
    stage.at(30 * minuteMs, () => {
      host.certificate = genuine(name);
    });
    for (let index = 0; index < 8; index++) {
      const afterMs = 6 * minuteMs + index * 40_000;
      stage.arrives(3 * hourMs, afterMs, { from: "lists@d0.test", to: [`user${index}@${strict}`] });
      stage.arrives(afterMs + soonMs, afterMs, { from: "lists@d0.test", to: [`user${index}@${loose}`] });
      stage.send(afterMs + 20_000, { from: "lists@d0.test", to: [`both${index}@${loose}`, `both${index}@${strict}`] });
    }
  },
};

/** A certificate that is renewed too late, and a clock that is wrong by two days: letters wait, and none is given up. */
export const certificatesExpire: Scene = {
  name: "certificates that expire, and a wrong clock",
  numbers: roomyTls,
  withTls: true,
  play: async (stage) => {
    const { machine, faults, atMs } = stage;
    const endsAt = (afterMs: number) => machine.clock.now() + atMs + afterMs;
    const late = await stand(stage, "late.test", { isSigned: false, certificate: { notAfter: endsAt(10 * minuteMs) } });
    late.world.publishPolicy(late.domain, enforce(late.domain));
    late.world.guard(late.domain, "mta-sts");
    stage.at(10 * minuteMs, () => {
      late.host.certificate = { ...late.host.certificate, label: "expired mx.late.test", isGenuine: false };
    });
    stage.at(35 * minuteMs, () => {
      late.host.certificate = genuine(late.name, { label: "renewed mx.late.test" });
    });
    letters(stage, late.domain, [0]);
    letters(stage, late.domain, [12, 14, 16, 20], 3 * hourMs);
    const fresh = await stand(stage, "fresh.test", { isSigned: false, certificate: { notAfter: endsAt(24 * hourMs) } });
    fresh.world.publishPolicy(fresh.domain, enforce(fresh.domain));
    fresh.world.guard(fresh.domain, "mta-sts");
    letters(stage, fresh.domain, [0]);
    stage.at(15 * minuteMs, () => faults.setClock(2 * 24 * hourMs));
    stage.at(25 * minuteMs, () => faults.setClock(-2 * 24 * hourMs));
    letters(stage, fresh.domain, [16, 18], 2 * hourMs);
  },
};
