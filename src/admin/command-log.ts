/**
 * The trace of operators: every request that may change something, and was carried out, is a line of the log. It is
 * written for all such routes in one place, so that a new one cannot be without; handlers add what they changed.
 */
import type { Context, MiddlewareHandler } from "hono";
import type { FieldsOf } from "../events/catalogue.ts";
import type { Log } from "../ports/log.ts";

/** What the line says besides how the command came. */
type Changed = Partial<Omit<FieldsOf<"control-command">, "over" | "command">>;

declare module "hono" {
  interface ContextVariableMap {
    /** false: the request only looked. */
    changed: Changed | false;
  }
}

/** What a handler changed, for the line of the log: names and counts, never a password. */
export function noteChange(context: Context, changed: Changed | false): void {
  context.set("changed", changed);
}

/** `over`: how the command came. */
export function commandLog(log: Log, over: "control socket" | "http"): MiddlewareHandler {
  return async (context, next) => {
    await next();
    const { method, path } = context.req;
    if (method === "GET" || method === "HEAD" || !context.res.ok) return;
    const changed = context.get("changed") ?? {};
    if (changed === false) return;
    log.event("control-command", { over, command: `${method} ${path}`, ...unchanged, ...changed });
  };
}

const unchanged: Required<Changed> = {
  site: undefined,
  reason: undefined,
  retried: undefined,
  filter: undefined,
  count: undefined,
  underWay: undefined,
  user: undefined,
  key: undefined,
  grant: undefined,
  network: undefined,
  lifted: undefined,
  domain: undefined,
  selectors: undefined,
  deleted: undefined,
};
