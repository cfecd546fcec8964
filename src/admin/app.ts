/**
 * The HTTP side as one function from Request to Response: probes, queue, message history, users, and in dev the captured
 * mail. The same app answers on `admin.listen`, behind the guard, and on the control socket, where the file's mode is
 * the guard.
 */
import { Hono } from "hono";
import { z } from "zod";
import { asciiUpperCase } from "../lib/ascii-case.ts";
import type { NotReady } from "../policy/readiness.ts";
import type { Log } from "../ports/log.ts";
import type { SiteControl } from "../queue/site-control.ts";
import { SpoolError } from "../spool/spool.ts";
import { type BanDirectory, bansApi } from "./bans-api.ts";
import { type AcmeDirectory, acmeApi } from "./acme-api.ts";
import { type DkimDirectory, dkimApi } from "./dkim-api.ts";
import { type AppPasswordDirectory, appPasswordsApi } from "./app-passwords-api.ts";
import { type ApiSignIn, type GuardSettings, refusalOf } from "./guard.ts";
import type { Inbox } from "./inbox.ts";
import { withinLimit } from "./body-limit.ts";
import { commandLog, noteChange } from "./command-log.ts";
import { inboxApi } from "./inbox-api.ts";
import { BodyError, jsonBody } from "./json-body.ts";
import { reportsApi } from "./reports-api.ts";
import { type SenderGrantDirectory, senderGrantsApi } from "./sender-grants-api.ts";
import { type RouteLogins, routeLoginsApi } from "./route-logins-api.ts";
import { type UserKeyDirectory, userKeysApi } from "./user-keys-api.ts";
import { sitesApi } from "./sites-api.ts";
import { queueApi, type QueueApiDependencies } from "./queue-api.ts";
import { logTrouble } from "../spool/spool-trouble.ts";

/** Users kept in the data directory; those of the file are listed and read-only. */
export interface UserDirectory {
  list(): Promise<readonly { readonly address: string; readonly source: "file" | "data" }[]>;
  /** Throws {@link UserError}. */
  add(address: string, password: string): Promise<void>;
  setPassword(address: string, password: string): Promise<void>;
  remove(address: string): Promise<void>;
  /** Public keys by which a user signs in; of users of the file, too. Each throws {@link UserError}. */
  readonly keys: UserKeyDirectory;
  /** Passwords for single programs; likewise. */
  readonly appPasswords: AppPasswordDirectory;
  /** As whom a user may send. */
  readonly grants: SenderGrantDirectory;
}

export class UserError extends Error {
  override readonly name = "UserError";
}

export interface AdminDependencies extends QueueApiDependencies {
  readonly log: Log;
  /** Absent where no server runs. */
  readonly siteControl?: SiteControl;
  readonly version: string;
  /** undefined: not known. JSON as documented in docs/explain.md. */
  readonly explain: (id: string) => Promise<unknown>;
  readonly users?: UserDirectory;
  /** Absent: nobody uses the API by an app password. */
  readonly signIn?: ApiSignIn;
  readonly dkim?: DkimDirectory;
  readonly bans?: BanDirectory;
  readonly acme?: AcmeDirectory;
  readonly routeLogins?: RouteLogins;
  readonly inbox?: Inbox;
  /** Rereads the configuration; the text says what is wrong with it. */
  readonly reload?: () => Promise<{ readonly ok: true } | { readonly ok: false; readonly error: string }>;
  /** Why it takes no mail now; empty: it takes mail. */
  readonly notReady: () => readonly NotReady[];
  /** Something hides the addresses of clients. */
  readonly clientsAreHidden?: () => boolean;
  /** Mail that is held and older than a day. */
  readonly heldMail?: () => { readonly recipients: number; readonly oldest: number } | undefined;
}

/** Everything that is sent here is a few names, a password, or a filter. */
const bodyBytesMax = 64 * 1024;

const userBody = z.strictObject({ address: z.string().max(320), password: z.string().min(1).max(1024) });

/** `guard` undefined: the control socket. */
export function adminApp(dependencies: AdminDependencies, guard: GuardSettings | undefined): Hono {
  const { log, inbox, users, signIn, explain, reload } = dependencies;
  // A slash at the end makes no difference.
  const app = new Hono({ strict: false });

  app.get("/healthz", (context) => context.json({ status: "ok", version: dependencies.version }));
  app.get("/readyz", (context) => {
    const causes = dependencies.notReady();
    return causes.length === 0
      ? context.json({ status: "ready", ...heldWords(dependencies.heldMail?.()), ...hiddenWords(dependencies) })
      : context.json({ status: "not ready", causes }, 503);
  });

  app.use(async (context, next) => {
    const refusal = guard && (await refusalOf(context.req.raw, guard, signIn));
    if (refusal) {
      log.event("http-request-refused", { path: context.req.path, reason: refusal.error });
      return context.json({ error: refusal.error }, refusal.status);
    }
    await next();
    context.header("cache-control", "no-store");
    return undefined;
  });

  app.use(async (context, next) => {
    const request = await withinLimit(context.req.raw, bodyBytesMax);
    if (request === undefined) {
      const error = `the body of a request may have ${bodyBytesMax} octets at most`;
      return context.json({ error }, 413, { connection: "close" });
    }
    context.req.raw = request;
    await next();
    return undefined;
  });

  app.use(commandLog(log, guard === undefined ? "control socket" : "http"));

  app.route("/api/v1/queue", queueApi(dependencies));

  app.route("/api/v1/sites", sitesApi(dependencies.siteControl));

  app.route("/api/v1/reports", reportsApi(dependencies.spool));

  app.get("/api/v1/messages/:id", async (context) => {
    const explanation = await explain(asciiUpperCase(context.req.param("id")));
    return explanation === undefined
      ? context.json({ error: "no message has this queue id, or its history has been pruned" }, 404)
      : context.json(explanation as Record<string, unknown>);
  });

  if (inbox) app.route("/api/v1/inbox", inboxApi(inbox));
  if (users) app.route("/api/v1/users", usersApi(users));
  if (dependencies.dkim) app.route("/api/v1/dkim", dkimApi(dependencies.dkim));
  if (dependencies.bans) app.route("/api/v1/bans", bansApi(dependencies.bans));
  if (dependencies.acme) app.route("/api/v1/acme", acmeApi(dependencies.acme));
  if (dependencies.routeLogins) app.route("/api/v1/route-logins", routeLoginsApi(dependencies.routeLogins));
  if (reload) {
    app.post("/api/v1/reload", async (context) => {
      const result = await reload();
      return context.json(result, result.ok ? 200 : 422);
    });
  }

  app.notFound((context) => {
    const { path, method } = context.req;
    const allowed = methodsAt(app, path);
    if (allowed.length === 0 || allowed.includes(method)) return context.json({ error: `nothing is at ${path}` }, 404);
    const error = `${path} takes ${allowed.join(", ")}, not ${method.slice(0, 20)}`;
    return context.json({ error }, 405, { allow: allowed.join(", ") });
  });
  app.onError((error, context) => {
    if (error instanceof BodyError) return context.json({ error: error.message }, 400);
    logTrouble(log, `${context.req.method} ${context.req.path}`, error);
    if (error instanceof SpoolError) {
      return context.json({ error: `nothing was changed: the spool could not write (${error.message})` }, 503);
    }
    return context.json({ error: "the request failed; the log says why" }, 500);
  });
  return app;
}

/** The methods of all routes to a path. */
function methodsAt(app: Hono, path: string): readonly string[] {
  const segments = path.replace(/\/$/, "").split("/");
  const routes = app.routes.filter(({ method, path: route }) => {
    const pattern = route.replace(/\/$/, "").split("/");
    const fits = (part: string, at: number) => part === segments[at] || part.startsWith(":");
    return method !== "ALL" && pattern.length === segments.length && pattern.every(fits);
  });
  return [...new Set(routes.map(({ method }) => method))].toSorted();
}

function usersApi(users: UserDirectory): Hono {
  const app = new Hono();
  app.get("/", async (context) => context.json({ users: await users.list() }));
  app.post("/", async (context) => {
    const { address, password } = await jsonBody(context.req, userBody);
    await users.add(address, password);
    noteChange(context, { user: address });
    return context.json({ address }, 201);
  });
  app.put("/:address", async (context) => {
    const body = await jsonBody(context.req, userBody.pick({ password: true }));
    await users.setPassword(context.req.param("address"), body.password);
    noteChange(context, { user: context.req.param("address") });
    return context.json({ address: context.req.param("address") });
  });
  app.delete("/:address", async (context) => {
    await users.remove(context.req.param("address"));
    noteChange(context, { user: context.req.param("address") });
    return context.json({ address: context.req.param("address") });
  });
  app.route("/", userKeysApi(users.keys));
  app.route("/", appPasswordsApi(users.appPasswords));
  app.route("/", senderGrantsApi(users.grants));
  app.onError((error, context) => {
    if (error instanceof UserError) return context.json({ error: error.message }, 409);
    throw error;
  });
  return app;
}

/** A warning beside the status: mail is taken and delivered all the same. */
function hiddenWords({ clientsAreHidden }: Pick<AdminDependencies, "clientsAreHidden">) {
  return clientsAreHidden?.() === true ? { client_addresses_hidden: true } : {};
}

function heldWords(held: { readonly recipients: number; readonly oldest: number } | undefined) {
  if (held === undefined) return {};
  return { held_over_a_day: { recipients: held.recipients, oldest: new Date(held.oldest).toISOString() } };
}
