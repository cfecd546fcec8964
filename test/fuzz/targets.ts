/** Everything that can be fuzzed. */
import type { FuzzTarget } from "./target.ts";
import { messageTargets } from "./targets/message-targets.ts";

export const targets: readonly FuzzTarget[] = [...messageTargets];
