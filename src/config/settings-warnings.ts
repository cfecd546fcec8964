/** What is valid in a configuration but probably not intended: `check config` prints it, and the log has it at each start. */
import { coversMostAddresses } from "../lib/ip-network.ts";
import type { SettingPath } from "./setting-path.ts";
import type { Settings } from "./settings-schema.ts";

/** Listed in docs/errors.md. */
export const configWarnings = {
  "warn-open-relay": {
    cause:
      "`relay.networks` contains most of the address space, so this server is an open relay: almost anyone may send mail through it.",
    remedy: "List only the networks of your own machines. Spammers find an open relay within hours.",
  },
  "warn-certificate-expires": {
    cause: "The certificate expires soon: less than a quarter of its lifetime is left, and less than 14 days.",
    remedy: "Find out why it was not renewed, or why the new one was not copied to the path in `[tls]`.",
  },
  "warn-certificate-name": {
    cause: "The certificate is not valid for `hostname`.",
    remedy:
      "Get a certificate for the name that clients connect to. Programs that verify certificates refuse this one.",
  },
} as const satisfies Record<string, { readonly cause: string; readonly remedy: string }>;

export type ConfigWarningCode = keyof typeof configWarnings;

export interface SettingsWarning {
  readonly code: ConfigWarningCode;
  readonly path: SettingPath;
  readonly message: string;
}

/** Looks only at the settings; whoever may read the certificate checks it. */
export function settingsWarnings({ relay }: Settings): readonly SettingsWarning[] {
  if (!coversMostAddresses(relay.networks.texts)) return [];
  const message = `${relay.networks.texts.join(", ")} covers most of the internet, so this server would be an open relay: anyone there could send mail to any address through it. List only the networks of your own machines`;
  return [{ code: "warn-open-relay", path: ["relay", "networks"], message }];
}
