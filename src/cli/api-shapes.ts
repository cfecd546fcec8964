/** What the API answers, as far as commands read it. `--json` passes answers on whole. */
import { z } from "zod";

export const queuedRecipient = z.object({
  message: z.string(),
  index: z.number(),
  from: z.string(),
  to: z.string(),
  accepted_as: z.string(),
  state: z.string(),
  attempts: z.number(),
  due: z.string(),
  last_reply: z.string().nullable(),
  held: z.object({ by: z.string(), reason: z.string() }).nullable(),
  why: z.string(),
  waits_until: z.string().nullable(),
  received_at: z.string(),
  size: z.number(),
  subject: z.string().nullable(),
});
export type QueuedRecipient = z.output<typeof queuedRecipient>;

export const queuePage = z.object({ recipients: z.array(queuedRecipient), next: z.string().nullable() });

export const queueCounts = z.object({
  scheduled: z.number(),
  claimed: z.number(),
  held: z.number(),
  oldest_seconds: z.number(),
});

export const countAnswer = z.object({
  count: z.number(),
  more: z.boolean().optional(),
  under_way: z.number().default(0),
});

export const siteShown = z.object({
  site: z.string(),
  description: z.string(),
  waiting: z.number(),
  running: z.number(),
  limit: z.number(),
  normal_limit: z.number(),
  limited_until: z.string().nullable(),
  resting_until: z.string().nullable(),
  waits_for: z.string().nullable(),
  waits_until: z.string().nullable(),
  last_reply: z.string().nullable(),
});
export type SiteShown = z.output<typeof siteShown>;

export const siteList = z.object({ sites: z.array(siteShown) });

export const wokenSite = siteShown.extend({ retried: z.number() });

export const banShown = z.object({
  network: z.string(),
  service: z.string(),
  offence: z.string(),
  client: z.string(),
  times: z.number(),
  since: z.string(),
  until: z.string(),
});
export type BanShown = z.output<typeof banShown>;

export const banList = z.object({ bans: z.array(banShown) });

export const liftedBans = z.object({ lifted: z.array(banShown) });

/** Of a network, or of a login. */
export const banExplanation = z.object({
  network: z.string().optional(),
  login: z.string().optional(),
  never_banned: z.string().nullable().default(null),
  bans: z.array(banShown).default([]),
  allowance: z.array(z.object({ service: z.string(), offence: z.string(), left: z.number().nullable() })).default([]),
  failed_logins: z.number(),
  login_wait_seconds: z.number(),
});

export const userList = z.object({
  users: z.array(z.object({ address: z.string(), source: z.enum(["file", "data"]) })),
});

export const userKey = z.object({
  label: z.string(),
  sha256: z.string(),
  created_at: z.string(),
  expires_at: z.string().nullable(),
  last_used_at: z.string().nullable(),
});

export const userKeyList = z.object({ keys: z.array(userKey) });

const appPassword = z.object({
  label: z.string(),
  scopes: z.array(z.string()),
  created_at: z.string(),
  last_used_at: z.string().nullable(),
});

export const addedAppPassword = appPassword.extend({ password: z.string() });

export const appPasswordList = z.object({ app_passwords: z.array(appPassword) });

export const grantList = z.object({
  grants: z.array(z.object({ address: z.string(), source: z.enum(["file", "data"]) })),
});

export const dkimKey = z.object({
  selector: z.string(),
  algorithm: z.string(),
  declared_in: z.enum(["file", "data"]),
  state: z.string(),
  since: z.string(),
  record: z.object({ name: z.string(), text: z.string(), quoted: z.string(), zone: z.string() }),
  dns: z
    .object({
      at: z.string(),
      said: z.enum(["seen", "absent", "different", "unknown"]),
      detail: z.string().nullable(),
    })
    .nullable(),
  next: z.string(),
});
export type DkimKey = z.output<typeof dkimKey>;

export const dkimKeys = z.object({ keys: z.array(dkimKey) });

export const acmeShown = z.object({
  directory: z.string(),
  challenge: z.string(),
  names: z.array(z.string()),
  account: z.string().nullable(),
  certificate: z.object({ names: z.string(), issuer: z.string(), valid_to: z.string() }).nullable(),
  renew_at: z.string().nullable(),
  renew_by: z.enum(["authority", "lifetime"]).nullable(),
  failure: z.object({ at: z.string(), problem: z.string(), retry_at: z.string(), attempts: z.number() }).nullable(),
  tlsa: z.object({ current: z.string().nullable(), next: z.string().nullable() }),
  roll_over_at: z.string().nullable(),
});
export type AcmeShown = z.output<typeof acmeShown>;

export const removedDkimKey = z.object({ removed: dkimKey, record_needed_until: z.string().nullable() });

export const capturedListing = z.object({
  id: z.string(),
  from: z.string(),
  to: z.array(z.string()),
  subject: z.string(),
  received_at: z.string(),
  size: z.number(),
  junk: z.boolean().optional(),
});
export type CapturedListing = z.output<typeof capturedListing>;
export const capturedPage = z.object({
  messages: z.array(capturedListing),
  next: z.string().nullable(),
  total: z.number(),
});
export const deletedAnswer = z.object({ deleted: z.number() });
/** When nothing came in time: what did. */
export const vainWait = z.object({ error: z.string(), arrived: z.array(capturedListing) });

const namedAddress = z.object({ name: z.string(), address: z.string() });

export const capturedMessage = capturedListing.extend({
  text: z.string().nullish(),
  html: z.string().nullish(),
  links: z.array(z.string()).default([]),
  codes: z.array(z.string()).default([]),
  cc: z.array(namedAddress).default([]),
  header_from: z.array(namedAddress).default([]),
  attachments: z
    .array(z.object({ index: z.number(), filename: z.string(), type: z.string(), size: z.number() }))
    .default([]),
  left_out: z.string().nullish(),
});
export type CapturedMessage = z.output<typeof capturedMessage>;
export const capturedMessages = z.object({ messages: z.array(capturedMessage) });

const reportLine = z.object({
  id: z.string(),
  received_at: z.string(),
  from: z.string(),
  organization: z.string(),
  domain: z.string(),
  report_id: z.string(),
  begin: z.string(),
  end: z.string(),
  total: z.number(),
  failed: z.number(),
  problems: z.array(z.string()),
});
const unreadableReport = reportLine
  .pick({ id: true, received_at: true, from: true })
  .extend({ kind: z.literal("unreadable"), reason: z.string() });

export const receivedReports = z.object({
  reports: z.array(
    z.discriminatedUnion("kind", [
      reportLine.extend({ kind: z.literal("dmarc") }),
      reportLine.extend({ kind: z.literal("tls") }),
      unreadableReport,
    ]),
  ),
  next: z.string().nullable(),
});
export type ReceivedReportLine = z.output<typeof receivedReports>["reports"][number];

const dmarcReport = reportLine.extend({
  kind: z.literal("dmarc"),
  policy: z.object({ p: z.string().optional(), sp: z.string().optional() }),
  rows: z.array(
    z.object({
      source: z.string(),
      count: z.number(),
      disposition: z.string(),
      dkim_aligned: z.boolean(),
      spf_aligned: z.boolean(),
      reasons: z.array(z.object({ type: z.string() })),
      header_from: z.string(),
    }),
  ),
  advice: z.array(z.string()),
});
export type DmarcReport = z.output<typeof dmarcReport>;

const tlsReport = reportLine.extend({
  kind: z.literal("tls"),
  policies: z.array(
    z.object({
      type: z.string(),
      domain: z.string(),
      successful: z.number(),
      failed: z.number(),
      failures: z.array(
        z.object({
          result: z.string(),
          sessions: z.number(),
          receiving_host: z.string().nullable(),
          receiving_address: z.string().nullable(),
        }),
      ),
    }),
  ),
  advice: z.array(z.string()),
});
export type TlsReportShown = z.output<typeof tlsReport>;

export const receivedReport = z.discriminatedUnion("kind", [dmarcReport, tlsReport, unreadableReport]);

export const routeLoginList = z.object({
  logins: z.array(
    z.object({
      client: z.string(),
      username: z.string(),
      since: z.string(),
      gone_since: z.string().nullable(),
      reason: z.string().nullable(),
    }),
  ),
});
