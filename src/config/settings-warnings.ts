/** What a valid configuration says and its author probably does not mean: told by `check config`, and in the log at a start. */
import { coversMostAddresses } from "../lib/ip-network.ts";
import type { SettingPath } from "./setting-path.ts";
import type { Settings } from "./settings-schema.ts";

/** Listed in docs/errors.md. */
export const configWarnings = {
  "warn-open-relay": {
    cause: "`relay.networks` holds most addresses there are, so almost anybody may send mail through this server.",
    remedy: "List the networks of your own machines only. Spammers find an open relay within hours.",
  },
  "warn-certificate-expires": {
    cause: "The certificate expires soon: less than a quarter of its time is left, and less than 14 days.",
    remedy: "Look why it was not renewed, or why the new one was not copied to where `[tls]` names it.",
  },
  "warn-certificate-name": {
    cause: "The certificate is not for `hostname`.",
    remedy: "Get one for the name that clients connect to. Programs that verify refuse this one.",
  },
} as const satisfies Record<string, { readonly cause: string; readonly remedy: string }>;

export type ConfigWarningCode = keyof typeof configWarnings;

export interface SettingsWarning {
  readonly code: ConfigWarningCode;
  readonly path: SettingPath;
  readonly message: string;
}

/** Of the settings alone; the certificate is looked at by whoever may read it. */
export function settingsWarnings({ relay }: Settings): readonly SettingsWarning[] {
  if (!coversMostAddresses(relay.networks.texts)) return [];
  const message = `${relay.networks.texts.join(", ")} is almost everybody: any of them may send mail to anywhere through this server`;
  return [{ code: "warn-open-relay", path: ["relay", "networks"], message }];
}
