/** The queue, with what makes reports of its outcomes. */
import type { Settings } from "../../config/settings-schema.ts";
import type { Intake } from "../../intake/intake.ts";
import { type DeliveryAgents, Queue } from "../../queue/queue.ts";
import { DelayWarner, type DelayWarnerOptions } from "../../reporting/delay-warner.ts";
import { HeldMailKeeper } from "../../reporting/held-mail-keeper.ts";
import type { FindReportDestination } from "../../reporting/report-destination.ts";
import { ReportGatherer } from "../../reporting/report-gatherer.ts";
import { Reporter } from "../../reporting/reporter.ts";
import type { MxRouter } from "../../route/mx-router.ts";
import { InForce, type Opening } from "../plan/part.ts";
import type { Store } from "../store/store.ts";

export interface Sending {
  readonly queue: Queue;
  readonly reporter: Reporter;
  readonly gatherer: ReportGatherer;
}

export function openQueue(
  { settings, ports: { clock, random, log }, parts }: Opening,
  { spool, ids }: Store,
  given: {
    readonly router: MxRouter;
    readonly agents: DeliveryAgents;
    readonly findDestination: FindReportDestination;
    readonly intake: Intake;
  },
): Sending {
  const { router, agents, findDestination, intake } = given;
  const { captures } = router;
  const { hostname } = settings;
  const nextId = () => ids.next();
  const compose: Intake["compose"] = (letter) => intake.compose(letter);
  const reporting = { findDestination, compose, settings: () => ({ hostname }) };
  const reporter = new Reporter({ ...reporting, clock, random, log, nextId });
  const gatherer = new ReportGatherer({ reporter, spool, intake, clock, log });
  parts.add({ name: "reports", start: () => gatherer.start(), stop: () => gatherer.close() });
  const view = ({ queue: own }: Settings) => own;
  const common = { spool, clock, random, log };
  const queue = new Queue({ ...common, router, agents, reporter: gatherer, captures, settings: view(settings) });
  parts.add({
    name: "queue",
    view,
    prepare: (next) => () => queue.reconfigure(next),
    start: () => queue.start(),
    drain: (deadlineMs) => queue.stop({ deadlineMs }),
  });
  openDelayWarnings({ settings, parts }, (get) => {
    return new DelayWarner({ spool, reporter, captures, clock, log, settings: get, wake: () => queue.wake() });
  });
  return { queue, reporter, gatherer };
}

function openDelayWarnings(
  { settings, parts }: Pick<Opening, "settings" | "parts">,
  make: (get: DelayWarnerOptions["settings"]) => DelayWarner,
): void {
  const view = ({ queue: { warn_after: warnAfterMs, expire: expireMs } }: Settings) => ({ warnAfterMs, expireMs });
  const { get, prepare } = new InForce(view(settings));
  const warner = make(get);
  parts.add({ name: "delay-warnings", view, prepare, start: () => warner.start(), stop: () => warner.close() });
}

export function openHeldMail(
  { settings, ports: { clock, random, log }, parts }: Opening,
  { spool, ids }: Store,
  given: {
    readonly gatherer: ReportGatherer;
    readonly intake: Intake;
    readonly findDestination: FindReportDestination;
  },
): HeldMailKeeper {
  const view = ({ hostname, queue: { expire: expireMs } }: Settings) => ({ hostname, expireMs });
  const { get, prepare } = new InForce(view(settings));
  const nextId = () => ids.next();
  const keeper = new HeldMailKeeper({ ...given, spool, clock, random, log, nextId, settings: get });
  parts.add({ name: "held-mail", view, prepare, start: () => keeper.start(), stop: () => keeper.close() });
  return keeper;
}
