/** Scenes of attackers on the way to mail hosts: what domains publish holds against them, and mail waits until they have gone. */
import type { Receiver } from "./receivers.ts";
import type { Scene, Stage } from "./stage.ts";
import type { Certificate, MailHost, TlsWorld } from "./tls-world.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const everything = ["SIZE 1000000", "8BITMIME", "SMTPUTF8", "STARTTLS", "PIPELINING", "AUTH PLAIN LOGIN"] as const;
/** Nothing but TLS stands in the way of a letter. */
export const roomyTls = {
  ...{ deliveries: 500, deliveriesPerSite: 5, ready: 2_000, flooded: false },
  ...{ expireMs: 36 * hourMs, warnAfterMs: 4 * hourMs },
} as const;
/** A year: no policy ends before the scene. */
const maxAge = "max_age: 31557600";
/** Letters are tried again by then, whenever in the scene's hour they came. */
const patientMs = 3 * hourMs;
const attackFromMs = 5 * minuteMs;

/** A mail host whose TLS is the scene's. */
export interface Stand {
  readonly world: TlsWorld;
  readonly receiver: Receiver;
  readonly domain: string;
  readonly name: string;
  readonly host: MailHost;
}

/** `certificate`: what differs from a genuine one of a well-known authority. */
export async function stand(
  stage: Stage,
  domain: string,
  { certificate = {}, isSigned }: { readonly certificate?: Partial<Certificate>; readonly isSigned: boolean },
): Promise<Stand> {
  const { machine } = stage;
  const { tls: world, dns } = machine;
  if (world === undefined) throw new Error("the scene has no TLS");
  const name = `mx.${domain}`;
  const keywords = () => everything.filter((keyword) => keyword !== "STARTTLS" || host.offersStartTls);
  const receiver = await stage.host(domain, "ordinary", { keywords });
  const host = world.host(receiver.address, { ...genuine(name), ...certificate });
  if (!isSigned) dns.leaveUnsigned(domain);
  dns.setTtl(domain, 60);
  dns.setTtl(name, 60);
  return { world, receiver, domain, name, host };
}

export function genuine(name: string, more: Partial<Certificate> = {}): Certificate {
  return { label: `genuine ${name}`, names: [name], isTrusted: true, isGenuine: true, ...more };
}

/** Whoever made it, nobody can tell. */
export function selfSigned(name: string): Certificate {
  return { label: `self-signed ${name}`, names: [name], isTrusted: false, isGenuine: false };
}

/** An attacker can have that much: a certificate of a well-known authority for a name of its own. */
const attackers: Certificate = { label: "attacker", names: ["mx.evil.test"], isTrusted: true, isGenuine: false };

export function enforce(domain: string, id = "1", more: readonly string[] = [maxAge]) {
  return { id, lines: ["mode: enforce", `mx: mx.${domain}`, `mx: *.${domain}`, ...more] };
}

/** Begins an attack; what is given back ends it. */
type Attack = (stand: Stand, stage: Stage) => () => void;

function stripStartTls({ host }: Stand): () => void {
  host.offersStartTls = false;
  return () => {
    host.offersStartTls = true;
  };
}

function show(certificate: (stand: Stand, stage: Stage) => Certificate): Attack {
  return (target, stage) => {
    const { host } = target;
    const former = host.certificate;
    host.certificate = certificate(target, stage);
    return () => {
      host.certificate = former;
    };
  };
}

function spoilHandshakes(how: "fails" | "stalls"): Attack {
  return ({ host }) => {
    host.handshake = how;
    return () => {
      host.handshake = "works";
    };
  };
}

/** Nobody is told the records, and TLS is not offered. */
function spoilRecords(target: Stand): () => void {
  target.world.spoilTlsa(target.name);
  const end = stripStartTls(target);
  return () => {
    target.world.mendTlsa(target.name);
    end();
  };
}

/** Neither the record nor the policy can be had, and TLS is not offered; in one case our server has just started anew. */
function hidePolicy(restarts: boolean): Attack {
  return (target, stage) => {
    const { world, domain } = target;
    world.withdrawRecord(domain);
    world.page(domain, { fault: stage.chance.pick(["unreachable", "certificate", "time-out"]) });
    if (restarts) stage.faults.restart();
    const end = stripStartTls(target);
    return () => {
      world.publishPolicy(domain, enforce(domain));
      end();
    };
  };
}

/** The record names a policy that nobody can fetch. */
function spoilPolicy(target: Stand, { chance }: Stage): () => void {
  const { world, domain } = target;
  world.publishPolicy(domain, enforce(domain, "2"));
  world.page(
    domain,
    chance.pick([
      { status: 404, contentType: "text/plain", body: "" },
      { status: 302, contentType: "text/plain", body: "" },
      { status: 200, contentType: "text/html", body: "<html></html>" },
      { status: 200, contentType: "text/plain", body: "version: STSv2\r\n" },
    ]),
  );
  const end = stripStartTls(target);
  return () => {
    world.publishPolicy(domain, enforce(domain, "3"));
    end();
  };
}

/** The zone is not signed: an answer says that the mail is for a host of the attacker's, which has records of its own. */
function forgeMx(target: Stand, { machine, receivers }: Stage): () => void {
  const evil = receivers.find(({ domain }) => domain === "evil.test");
  if (evil === undefined) throw new Error("nobody attacks");
  const { records } = machine.dns;
  records.remove(target.domain).addMx(target.domain, "10 mx.evil.test");
  return () => void records.remove(target.domain).addMx(target.domain, `10 ${target.name}`);
}

const onDane: Readonly<Record<string, Attack>> = {
  stripped: stripStartTls,
  swapped: show(({ name }) => ({ ...selfSigned(name), label: `impostor of ${name}`, isTrusted: true })),
  failing: spoilHandshakes("fails"),
  stalling: spoilHandshakes("stalls"),
  spoiled: spoilRecords,
};

/** TLSA records hold where TLS is stripped, broken or somebody else's, and where the records themselves are kept back. */
export const daneUnderAttack: Scene = {
  name: "attacks on hosts with TLSA records",
  numbers: roomyTls,
  withTls: true,
  play: async (stage) => {
    for (const [kind, attack] of Object.entries(onDane)) {
      const target = await stand(stage, `${kind}.test`, { isSigned: true });
      target.world.publishTlsa(target.name, target.host.certificate);
      await underAttack(stage, target, "dane", attack);
    }
  },
};

const onPolicies: Readonly<Record<string, Attack>> = {
  stripped: stripStartTls,
  swapped: show(({ name }) => selfSigned(name)),
  attackers: show(() => attackers),
  failing: spoilHandshakes("fails"),
  hidden: hidePolicy(false),
  spoiled: spoilPolicy,
  forged: forgeMx,
};

/** A policy holds where TLS is stripped, broken or somebody else's, and where the policy itself is kept back. */
export const policyUnderAttack: Scene = {
  name: "attacks on domains with an MTA-STS policy",
  numbers: roomyTls,
  withTls: true,
  play: async (stage) => {
    const evil = await stand(stage, "evil.test", { certificate: attackers, isSigned: true });
    evil.world.publishTlsa(evil.name, attackers);
    for (const [kind, attack] of Object.entries(onPolicies)) {
      const target = await stand(stage, `${kind}.test`, { isSigned: false });
      target.world.publishPolicy(target.domain, enforce(target.domain));
      await underAttack(stage, target, "mta-sts", attack);
    }
  },
};

/** A policy that is known outlives the server, and a day without the web host that it came from. */
export const policyOutlivesServer: Scene = {
  name: "a policy that is kept back while the server starts anew",
  numbers: roomyTls,
  withTls: true,
  play: async (stage) => {
    const lasting = await stand(stage, "lasting.test", { isSigned: false });
    lasting.world.publishPolicy(lasting.domain, enforce(lasting.domain));
    await underAttack(stage, lasting, "mta-sts", hidePolicy(true));
    const expiring = await stand(stage, "expiring.test", { isSigned: false });
    expiring.world.publishPolicy(expiring.domain, enforce(expiring.domain));
    const expired = show(({ name }, { machine }) => ({
      ...{ label: `expired ${name}`, names: [name], isTrusted: true, isGenuine: false },
      notAfter: machine.clock.now() - minuteMs,
    }));
    await underAttack(stage, expiring, "mta-sts", expired);
  },
};

/** One letter before, by which our server knows the policy, and six meanwhile, which arrive when it is over. */
async function underAttack(stage: Stage, target: Stand, by: "dane" | "mta-sts", attack: Attack): Promise<void> {
  const { domain, world } = target;
  world.guard(domain, by);
  stage.send(0, { from: "lists@d0.test", to: [`first@${domain}`] });
  const endsMs = attackFromMs + stage.chance.between(15, 35) * minuteMs;
  let end: (() => void) | undefined;
  stage.at(attackFromMs, () => {
    end = attack(target, stage);
  });
  stage.at(endsMs, () => end?.());
  for (let index = 0; index < 6; index++) {
    const afterMs = attackFromMs + 90_000 + index * 100_000;
    stage.arrives(patientMs, afterMs, { from: "ann@example.org", to: [`user${index}@${domain}`], by: "submitter" });
  }
}

const smartHost = {
  via: "relay",
  host: "mx.smart.test:25",
  auth: { username: "ann", password: "secret" },
} as const;

/** A relay host that wants a login, and somebody in its place: the password waits, too. */
export const passwordUnderAttack: Scene = {
  name: "an impostor in the place of a relay host",
  numbers: roomyTls,
  withTls: true,
  settings: {
    route: [
      { domain: "relayed.smart.test", ...smartHost },
      // Whoever answers may have the mail, and still not the password.
      { domain: "loose.smart.test", ...smartHost, tls: "required" },
    ],
  },
  play: async (stage) => {
    const target = await stand(stage, "smart.test", { isSigned: false });
    const domains = ["relayed.smart.test", "loose.smart.test"];
    for (const domain of domains) stage.name(domain, target.receiver);
    const attacks: readonly Attack[] = [
      stripStartTls,
      show(({ name }) => selfSigned(name)),
      show(() => attackers),
      spoilHandshakes("fails"),
    ];
    for (const [index, attack] of attacks.entries()) {
      let end: (() => void) | undefined;
      stage.at(attackFromMs + index * 6 * minuteMs, () => {
        end = attack(target, stage);
      });
      stage.at(attackFromMs + (index + 1) * 6 * minuteMs - 1_000, () => end?.());
    }
    for (let index = 0; index < 24; index++) {
      const to = [`user${index}@${domains[index % 2]}`];
      stage.arrives(patientMs, index * minuteMs, { from: "ann@example.org", to, by: "submitter" });
    }
  },
};
