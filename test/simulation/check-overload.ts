/**
 * While the machine is strained, nobody new gets in, probes hear why, and deliveries go on (those are arrivals that the scene
 * promises); soon after the strain, everybody is served again, though nobody asked meanwhile.
 */
import type { Strain } from "./stage.ts";
import type { Sent } from "./workload.ts";
import type { WorldView } from "./world-view.ts";

/** Two measures, and one more where the file system is asked. */
const beginsWithinMs = 10_000;
/** Five good measures; a slow commit is remembered for 15 seconds, and may still go on. */
const endsWithinMs = { spool: 60_000, other: 10_000 };

export function checkOverload(view: WorldView): readonly string[] {
  const { stage, faults, machine } = view;
  return stage.strains.flatMap((strain) => {
    const endsMs = strain.toMs + (strain.cause === "spool" ? endsWithinMs.spool : endsWithinMs.other);
    if (machine.clock.monotonicMs() < endsMs || faults.troubled(strain.fromMs, endsMs)) return [];
    return [...checkEndOf(strain, endsMs, view), ...checkProbes(strain, endsMs, view), ...checkSessions(strain, view)];
  });
}

function checkEndOf({ cause, fromMs, toMs }: Strain, endsMs: number, { machine }: WorldView): readonly string[] {
  const told = machine.events.filter(
    ({ name, realMs }) => name.startsWith("overload-") && realMs >= fromMs && realMs <= endsMs,
  );
  if (!told.some(({ name, realMs, fields }) => name === "overload-began" && realMs < toMs && fields["cause"] === cause))
    return [`the machine was strained (${cause}), and the server did not notice`];
  if (told.at(-1)?.name !== "overload-ended") return [`overload (${cause}) had not ended after the strain had`];
  return [];
}

function checkProbes({ cause, fromMs, toMs }: Strain, endsMs: number, { stage }: WorldView): readonly string[] {
  const names = ({ causes }: (typeof stage.probes)[number]) => causes.map((one) => one.cause);
  const during = stage.probes.filter(({ atMs }) => atMs >= fromMs + beginsWithinMs && atMs < toMs);
  const red = during.filter((probe) => names(probe).includes(cause));
  const problems: string[] = [];
  // What is slow is known only while something is stored: now and then a session is let in to see.
  if (cause === "spool" ? red.length === 0 : red.length < during.length)
    problems.push(`/readyz named ${cause} in ${red.length} of ${during.length} probes while the machine was strained`);
  if (red.some(({ causes }) => causes.some((one) => one.cause === cause && one.limit === undefined)))
    problems.push(`/readyz named ${cause} without its limit`);
  const late = stage.probes.find((probe) => probe.atMs > endsMs && names(probe).includes(cause));
  if (late !== undefined) problems.push(`/readyz named ${cause} ${late.atMs - toMs} ms after the strain had ended`);
  return problems;
}

function checkSessions({ cause, fromMs, toMs }: Strain, { workload }: WorldView): readonly string[] {
  if (cause === "spool") return [];
  return workload.sent
    .filter(({ at }) => at >= fromMs + beginsWithinMs && at < toMs - 1_000)
    .flatMap((sent) => (isTurnedAway(sent) ? [] : [`${sent.marker} came into an overloaded server (${cause})`]));
}

/** 421 in place of a greeting, or no TLS handshake. */
function isTurnedAway({ outcome, letter }: Sent): boolean {
  if (letter.login !== undefined) return outcome?.kind === "failed";
  return outcome?.kind === "refused" && outcome.reply.startsWith("421 4.3.2 ");
}
