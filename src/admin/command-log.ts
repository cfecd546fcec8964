/**
 * The trace of operators: every request that may change something, and was carried out, is a line of the log. It is
 * written for all such routes in one place, so that a new one cannot be without; handlers add what they changed.
 */
import type { Context, MiddlewareHandler } from "hono";
import type { Log, LogFields } from "../ports/log.ts";

declare module "hono" {
  interface ContextVariableMap {
    /** false: the request only looked. */
    changed: LogFields | false;
  }
}

/** What a handler changed, for the line of the log: names and counts, never a password. */
export function noteChange(context: Context, changed: LogFields | false): void {
  context.set("changed", changed);
}

/** `over`: how the command came. */
export function commandLog(log: Log, over: "control socket" | "http"): MiddlewareHandler {
  return async (context, next) => {
    await next();
    const { method, path } = context.req;
    if (method === "GET" || method === "HEAD" || !context.res.ok) return;
    const changed = context.get("changed") ?? {};
    if (changed !== false) log.event("control-command", { over, command: `${method} ${path}`, ...changed });
  };
}
