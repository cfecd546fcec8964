/** The listeners, and what their sessions ask before they accept anything. */
import { type OpenListener, StartError } from "../../cli/running-server.ts";
import { inboundSettings } from "../../config/settings-views.ts";
import { Inbound } from "../../inbound/inbound.ts";
import { ListenerError, type ListenerOptions } from "../../inbound/listener-options.ts";
import type { InboundServices } from "../../inbound/services.ts";
import type { Intake } from "../../intake/intake.ts";
import { SharedBudget } from "../../lib/shared-budget.ts";
import type { Bans } from "../../policy/bans.ts";
import { sessionsWithin } from "../../policy/connection-limits.ts";
import { LocalAdmission } from "../../policy/local-admission.ts";
import type { NotReady } from "../../policy/readiness.ts";
import type { Network } from "../../ports/network.ts";
import type { Queue } from "../../queue/queue.ts";
import type { Opening } from "../plan/part.ts";
import { startError } from "../plan/start-error.ts";

type FromPorts = "clock" | "log" | "network" | "random";

/** What sessions need of other parts. */
export interface ReceivingServices extends Omit<InboundServices, FromPorts | "memory"> {
  readonly admission: LocalAdmission;
  readonly intake: Intake;
}

export interface Receiving {
  readonly listeners: readonly OpenListener[];
  /** Why mail that came now could not be stored; empty: it could. */
  readonly notReady: () => readonly NotReady[];
  /** Something hides the addresses of clients. */
  readonly clientsAreHidden: () => boolean;
}

export async function openReceiving(
  opening: Opening,
  services: ReceivingServices,
  listeners: readonly ListenerOptions[],
): Promise<Receiving> {
  const { settings, ports, parts } = opening;
  const { clock, log, random } = ports;
  const { intake, admission } = services;
  const memory = new SharedBudget(settings.limits.session_memory);
  // Which of several listeners failed is known only to who opens them one by one.
  const network = countedListens(ports.network);
  let inbound: Inbound;
  try {
    inbound = await Inbound.open(
      { clock, log, network, random, memory, ...services },
      inboundSettings(settings),
      listeners,
    );
  } catch (error) {
    if (error instanceof ListenerError)
      throw new StartError("start-address-refused", "listener", error.message, { cause: error });
    const failed = listeners[network.opened];
    throw failed ? startError(error, `${failed.kind} listener`, failed.endpoint) : error;
  }
  parts.add({
    name: "inbound",
    view: inboundSettings,
    prepare: (next) => () => {
      inbound.reconfigure(next);
      admission.reconfigure(next.limits);
    },
    drain: (deadlineMs) => inbound.shutdown({ deadlineMs }),
  });
  const opened = settings.listener.map(({ kind }, index): OpenListener => {
    return { kind, endpoint: inbound.endpoints[index] ?? { kind: "unix", path: "" } };
  });
  return {
    listeners: opened,
    notReady: () => [...admission.notReady(), ...(intake.takesMail ? [] : [{ cause: "spool-refuses" } as const])],
    clientsAreHidden: () => inbound.clientsAreHidden,
  };
}

/** Says it where the system lets this process have fewer sessions than are configured. */
export function tellFewerSessions({ settings: { limits }, ports: { openFilesMax, log } }: Opening): void {
  if (openFilesMax === undefined) return;
  const sessions = sessionsWithin(openFilesMax);
  if (sessions >= limits.connections) return;
  log.event("sessions-limited", { open_files: openFilesMax, connections: limits.connections, sessions });
}

/**
 * Changes of its limits come with those of the listeners. `queue` and `intake`: asked once all is open. `bans` absent: nobody
 * is banned.
 */
export async function openAdmission(
  { settings: { limits, data_dir: path }, ports, parts }: Opening,
  { queue, intake }: { readonly queue: () => Pick<Queue, "claimTermsForFresh">; readonly intake: () => Intake },
  bans?: Bans,
): Promise<LocalAdmission> {
  const { files, clock, log, openFilesMax, measures } = ports;
  const admission = await LocalAdmission.open({
    ...{ limits, files, clock, log, path },
    ...(openFilesMax !== undefined && { ceiling: sessionsWithin(openFilesMax) }),
    ...(bans && { bans }),
    ...(measures && { measures }),
    spoolDelayMs: () => intake().spoolDelayMs,
    claimTerms: (domains) => queue().claimTermsForFresh(domains),
  });
  parts.add({ name: "admission", stop: () => admission.stop() });
  return admission;
}

function countedListens(network: Network): Network & { opened: number } {
  return {
    opened: 0,
    connect: (endpoint, options) => network.connect(endpoint, options),
    async listen(endpoint, options) {
      const listener = await network.listen(endpoint, options);
      this.opened++;
      return listener;
    },
  };
}
