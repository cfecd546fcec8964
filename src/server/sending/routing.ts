/** Where mail goes next. */
import { routerSettings } from "../../config/settings-views.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { MxRouter } from "../../route/mx-router.ts";
import type { Opening } from "../plan/part.ts";

export function openRouting({ settings, ports, parts }: Opening): MxRouter {
  const { resolver, clock, random, log, interfaceAddresses } = ports;
  const toProgram = ports.program !== undefined;
  const view = (all: Settings) => routerSettings(all, { interfaceAddresses, toProgram });
  const router = new MxRouter({ resolver, clock, random, log, settings: view(settings) });
  parts.add({ name: "routing", view, prepare: (next) => () => router.reconfigure(next) });
  return router;
}
