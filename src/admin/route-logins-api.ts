/** `/api/v1/route-logins`: accounts at relay hosts that log in by OAuth. Tokens go in, and never come out. */
import { Hono } from "hono";
import { z } from "zod";
import { isoTime } from "../lib/instant.ts";
import type { AccessTokens } from "../oauth/access-tokens.ts";
import { isRefreshToken } from "../oauth/token-endpoint.ts";
import { noteChange } from "./command-log.ts";
import { jsonBody } from "./json-body.ts";

export type RouteLogins = Pick<AccessTokens, "list" | "logIn" | "logOut">;

const loginBody = z.strictObject({
  client: z.string().min(1).max(32),
  username: z.string().min(1).max(255),
  refresh_token: z.string().refine(isRefreshToken, "not a refresh token"),
});

export function routeLoginsApi(logins: RouteLogins): Hono {
  const app = new Hono();
  app.get("/", async (context) => {
    const grants = await logins.list();
    const shown = grants.map(({ client, username, since, gone }) => ({
      client,
      username,
      since: isoTime(since),
      gone_since: gone === undefined ? null : isoTime(gone.at),
      reason: gone?.reason ?? null,
    }));
    return context.json({ logins: shown });
  });
  app.put("/", async (context) => {
    const { client, username, refresh_token: refreshToken } = await jsonBody(context.req, loginBody);
    await logins.logIn({ client, username }, refreshToken);
    noteChange(context, { user: username, key: client });
    return context.json({ client, username });
  });
  app.delete("/:client/:username", async (context) => {
    const { client, username } = context.req.param();
    if (!(await logins.logOut({ client, username }))) {
      return context.json({ error: `${username} is not logged in by ${client}` }, 404);
    }
    noteChange(context, { user: username, key: client });
    return context.json({ client, username });
  });
  return app;
}
