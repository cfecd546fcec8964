/** Everything that can be fuzzed. */
import type { FuzzTarget } from "./target.ts";
import { authenticationTargets } from "./targets/authentication-targets.ts";
import { messageTargets } from "./targets/message-targets.ts";
import { reportTargets } from "./targets/report-targets.ts";
import { spfTargets } from "./targets/spf-targets.ts";

export const targets: readonly FuzzTarget[] = [
  ...messageTargets,
  ...authenticationTargets,
  ...reportTargets,
  ...spfTargets,
];
