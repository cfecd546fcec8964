/** The way in for every message, with the checks that it goes through. */
import { intakeSettings, senderAuthenticationSettings } from "../../config/settings-views.ts";
import { Intake } from "../../intake/intake.ts";
import type { IntakeServices } from "../../intake/services.ts";
import { SenderAuthentication } from "../../policy/authentication/sender-authentication.ts";
import type { MxRouter } from "../../route/mx-router.ts";
import type { Opening } from "../plan/part.ts";
import type { Sending } from "../sending/queue.ts";
import type { Store } from "../store/store.ts";

export function openIntake(
  opening: Opening,
  { spool, ids }: Store,
  given: Pick<IntakeServices, "admission" | "policy" | "evaluations" | "signing" | "forwarding"> & {
    readonly router: MxRouter;
    /** What mail is handed to; asked when a message comes. */
    readonly sending: () => Pick<Sending, "queue" | "reporter">;
  },
): Intake {
  const { settings, ports, parts } = opening;
  const { clock, random } = ports;
  const { router, sending, ...services } = given;
  const intake = new Intake(
    {
      ...{ clock, random, spool, ids, captures: router.captures },
      authentication: openSenderAuthentication(opening),
      queue: {
        accepted: (claimed) => sending().queue.accepted(claimed),
      },
      reporter: { expandedReport: (input) => sending().reporter.expandedReport(input) },
      ...services,
    },
    intakeSettings(settings),
  );
  parts.add({ name: "intake", view: intakeSettings, prepare: (next) => () => intake.reconfigure(next) });
  return intake;
}

function openSenderAuthentication({ settings, ports: { resolver, clock, log }, parts }: Opening): SenderAuthentication {
  const view = senderAuthenticationSettings;
  const authentication = new SenderAuthentication({ resolver, clock, log }, view(settings));
  parts.add({ name: "sender-authentication", view, prepare: (next) => () => authentication.reconfigure(next) });
  return authentication;
}
