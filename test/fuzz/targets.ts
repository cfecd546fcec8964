/** Everything that can be fuzzed. */
import type { FuzzTarget } from "./target.ts";
import { acmeTargets } from "./targets/acme-targets.ts";
import { addressTargets } from "./targets/address-targets.ts";
import { arcTargets } from "./targets/arc-targets.ts";
import { authenticationTargets } from "./targets/authentication-targets.ts";
import { clientTargets } from "./targets/client-targets.ts";
import { dkimTargets } from "./targets/dkim-targets.ts";
import { dmarcTargets } from "./targets/dmarc-targets.ts";
import { dsnTargets } from "./targets/dsn-targets.ts";
import { fileTargets } from "./targets/file-targets.ts";
import { messageTargets } from "./targets/message-targets.ts";
import { oauthTargets } from "./targets/oauth-targets.ts";
import { readingTargets } from "./targets/reading-targets.ts";
import { proxyTargets } from "./targets/proxy-targets.ts";
import { reportTargets } from "./targets/report-targets.ts";
import { saslTargets } from "./targets/sasl-targets.ts";
import { serverTargets } from "./targets/server-targets.ts";
import { spfTargets } from "./targets/spf-targets.ts";
import { textTargets } from "./targets/text-targets.ts";
import { transportPolicyTargets } from "./targets/transport-policy-targets.ts";

export const targets: readonly FuzzTarget[] = [
  ...serverTargets,
  ...proxyTargets,
  ...clientTargets,
  ...saslTargets,
  ...oauthTargets,
  ...addressTargets,
  ...dsnTargets,
  ...dkimTargets,
  ...dmarcTargets,
  ...arcTargets,
  ...messageTargets,
  ...authenticationTargets,
  ...reportTargets,
  ...readingTargets,
  ...spfTargets,
  ...textTargets,
  ...fileTargets,
  ...transportPolicyTargets,
  ...acmeTargets,
];
