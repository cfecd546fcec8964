/**
 * What is valid in a configuration but probably not intended: `check config` prints it, and the log has it at the start and
 * after each reload.
 */
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
    cause:
      "The certificate expires soon: 21 days or less are left, or a quarter of its lifetime if it is valid for less than 84 days.",
    remedy: "Find out why it was not renewed, or why the new one was not copied to the path in `[tls]`.",
  },
  "warn-certificate-authority": {
    cause:
      "Neither the file nor the list of authorities that this machine trusts contains the issuer of the certificate.",
    remedy:
      "If it is an authority of your own, add its certificate to the file, or to those that this machine trusts. Otherwise, get the file with the whole chain.",
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
