/** The API over a spool that no server holds: what commands speak to when nothing runs. */
import { AcmeAdministration } from "../../acme/acme-administration.ts";
import { AcmeFiles } from "../../acme/acme-files.ts";
import { UserStore } from "../../accounts/user-store.ts";
import { adminApp } from "../../admin/app.ts";
import { Inbox } from "../../admin/inbox.ts";
import type { MessageReading } from "../../admin/message-reading.ts";
import type { ServerApi, ServerTarget } from "../../cli/context.ts";
import { accountSettings } from "../../config/settings-views.ts";
import { explain, waitOf } from "../../history/explain.ts";
import { AccessTokens } from "../../oauth/access-tokens.ts";
import { GrantStore } from "../../oauth/grant-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Crypto } from "../../ports/crypto.ts";
import type { Files } from "../../ports/files.ts";
import type { Log } from "../../ports/log.ts";
import type { Random } from "../../ports/random.ts";
import type { Spool } from "../../spool/spool.ts";
import { KeyAdministration } from "../../signing/key-administration.ts";
import { KeyStore } from "../../signing/key-store.ts";
import { keepPublishedMsOf } from "../../signing/open-signing.ts";
import { acmeTerms } from "../identity/acme.ts";
import { userDirectory } from "../http-side/user-directory.ts";

/** The queue's default, where no configuration is known. */
const usualExpireMs = 5 * 86_400_000;

export function openOfflineApi(
  { dataDir, settings }: ServerTarget,
  parts: {
    readonly spool: Spool;
    readonly lock: { release(): void };
    readonly files: Files;
    readonly clock: Clock;
    readonly crypto: Crypto;
    readonly random: Random;
    readonly log: Log;
    readonly version: string;
    readonly reading: MessageReading;
  },
): ServerApi {
  const { spool, lock, files, clock, crypto, random, log, version, reading } = parts;
  const accounts = settings
    ? accountSettings(settings)
    : { hostname: "localhost", domains: [], users: [], aliases: [] };
  const expireMs = settings?.queue.expire ?? usualExpireMs;
  const app = adminApp(
    {
      spool,
      log,
      version,
      sites: () => [],
      explain: (id) => explain(spool, id, { now: clock.now(), expireMs }),
      waitOf: ({ message, recipient }) => waitOf(message, recipient, { now: clock.now(), expireMs }),
      inbox: new Inbox({ spool, files, clock, reading }, { folder: `${dataDir}/captured` }),
      users: userDirectory({ settings: () => accounts, store: new UserStore(spool), crypto, clock, random }),
      dkim: new KeyAdministration({
        store: new KeyStore(spool),
        crypto,
        clock,
        declared: () => settings?.dkim.key ?? [],
        terms: () => ({ keepPublishedMs: keepPublishedMsOf(expireMs) }),
      }),
      acme: new AcmeAdministration({
        files: new AcmeFiles(files, dataDir),
        terms: () => settings && acmeTerms(settings),
      }),
      routeLogins: new AccessTokens({ store: new GrantStore(spool), http: undefined, clock, log, clients: [] }),
      notReady: () => [{ cause: "not-running" }],
    },
    undefined,
  );
  return {
    running: false,
    request: async (path, { method = "GET", json } = {}) => {
      const headers = { "content-type": "application/json" };
      const body = json === undefined ? {} : { headers, body: JSON.stringify(json) };
      return await app.request(`http://localhost${path}`, { method, ...body });
    },
    [Symbol.asyncDispose]: async () => {
      await reading.close();
      await spool.close();
      lock.release();
    },
  };
}
