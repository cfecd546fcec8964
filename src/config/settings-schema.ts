/** The whole configuration: every folder's sections, put together in the order in which the reference shows them. */
import { z } from "zod";
import { aliasSettings, domainSettings, signInSettings, userSettings } from "../accounts/settings.ts";
import { forwardingSettings } from "../forwarding/settings.ts";
import { oauthSettings } from "../oauth/settings.ts";
import { authenticationSettings, dmarcSettings } from "../policy/authentication/settings.ts";
import { blocklistsSettings } from "../policy/blocklists/settings.ts";
import { greylistingSettings } from "../policy/greylisting/settings.ts";
import { bansSettings, limitsSettings, relaySettings } from "../policy/settings.ts";
import { queueSettings } from "../queue/settings.ts";
import { reportsSettings } from "../reporting/settings.ts";
import { dkimSettings } from "../signing/settings.ts";
import { adminSettings } from "./admin-settings.ts";
import { inboxSettings } from "./inbox-settings.ts";
import { listenerSettings } from "./listener-settings.ts";
import { mtaStsSettings } from "./mta-sts-settings.ts";
import { outboundSettings } from "../outbound/settings.ts";
import { routeSettings } from "./route-settings.ts";
import {
  dataDir,
  dnsSettings,
  historySettings,
  hostname,
  logSettings,
  stopWithin,
  tlsSettings,
} from "./server-settings.ts";

export const settingsSchema = z
  .strictObject({
    hostname,
    data_dir: dataDir,
    stop_within: stopWithin,
    listener: z.array(listenerSettings).max(64).default([]),
    tls: tlsSettings.prefault({}),
    domain: z.array(domainSettings).max(100_000).default([]),
    user: z.array(userSettings).max(100_000).default([]),
    alias: z.array(aliasSettings).max(100_000).default([]),
    sign_in: signInSettings.prefault({}),
    oauth: oauthSettings.prefault({}),
    route: z.array(routeSettings).max(10_000).default([]),
    forwarding: forwardingSettings.prefault({}),
    authentication: authenticationSettings.prefault({}),
    dmarc: dmarcSettings.prefault({}),
    relay: relaySettings.prefault({}),
    queue: queueSettings.prefault({}),
    limits: limitsSettings.prefault({}),
    bans: bansSettings.prefault({}),
    blocklists: blocklistsSettings.prefault({}),
    greylisting: greylistingSettings.prefault({}),
    dns: dnsSettings.prefault({}),
    outbound: outboundSettings.prefault({}),
    mta_sts: mtaStsSettings.prefault({}),
    dkim: dkimSettings.prefault({}),
    reports: reportsSettings.prefault({}),
    history: historySettings.prefault({}),
    inbox: inboxSettings.prefault({}),
    log: logSettings.prefault({}),
    admin: adminSettings.prefault({}),
  })
  .describe("Posthaste's configuration: posthaste.toml, or the default export of posthaste.config.ts.");

/** As written: defaults may be left out, times and sizes are text. */
export type SettingsInput = z.input<typeof settingsSchema>;
/** As used: defaults filled in, times in milliseconds, sizes in octets, secrets as text, paths absolute. */
export type Settings = z.output<typeof settingsSchema>;
