/** `/api/v1/users/ADDRESS/app-passwords`: passwords for single programs of a user. */
import { Hono } from "hono";
import { z } from "zod";
import { type AppPasswordScope, appPasswordScopes } from "../accounts/app-passwords.ts";
import { noteChange } from "./command-log.ts";
import { jsonBody } from "./json-body.ts";

/** As the API shows an app password; times in ISO 8601. */
export interface ShownAppPassword {
  readonly label: string;
  readonly scopes: readonly AppPasswordScope[];
  readonly created_at: string;
  /** Ten minutes exact; null: never. */
  readonly last_used_at: string | null;
}

export interface AppPasswordDirectory {
  list(address: string): Promise<readonly ShownAppPassword[]>;
  /** `password` is shown this once. */
  add(
    address: string,
    wanted: { readonly label: string | undefined; readonly scopes: readonly AppPasswordScope[] },
  ): Promise<ShownAppPassword & { readonly password: string }>;
  remove(address: string, label: string): Promise<void>;
}

const body = z.strictObject({
  label: z.string().min(1).max(64).optional(),
  scopes: z.array(z.enum(appPasswordScopes)).min(1).max(appPasswordScopes.length),
});

export function appPasswordsApi(appPasswords: AppPasswordDirectory): Hono {
  const app = new Hono();
  app.get("/:address/app-passwords", async (context) =>
    context.json({ app_passwords: await appPasswords.list(context.req.param("address")) }),
  );
  app.post("/:address/app-passwords", async (context) => {
    const { label, scopes } = await jsonBody(context.req, body);
    const address = context.req.param("address");
    const added = await appPasswords.add(address, { label, scopes });
    noteChange(context, { user: address, key: added.label });
    return context.json(added, 201);
  });
  app.delete("/:address/app-passwords/:label", async (context) => {
    const { address, label } = context.req.param();
    await appPasswords.remove(address, label);
    noteChange(context, { user: address, key: label });
    return context.json({ address, app_password: label });
  });
  return app;
}
