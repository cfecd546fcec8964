/** `/api/v1/users/ADDRESS/keys`: public keys by which a user signs in. */
import { Hono } from "hono";
import { z } from "zod";
import { noteChange } from "./command-log.ts";
import { jsonBody } from "./json-body.ts";

/** As the API shows a key; times in ISO 8601. */
export interface ShownKey {
  readonly label: string;
  /** Of the SubjectPublicKeyInfo, in hex. */
  readonly sha256: string;
  readonly created_at: string;
  /** null: it has no end. */
  readonly expires_at: string | null;
  /** Ten minutes exact; null: never. */
  readonly last_used_at: string | null;
}

export interface UserKeyDirectory {
  list(address: string): Promise<readonly ShownKey[]>;
  /** `pem`: a certificate or a public key. */
  add(
    address: string,
    key: { readonly pem: string; readonly label: string | undefined; readonly expiresAt: number | undefined },
  ): Promise<ShownKey>;
  /** `name`: label or digest. */
  remove(address: string, name: string): Promise<void>;
}

const keyBody = z.strictObject({
  pem: z.string().min(1).max(32_768),
  label: z.string().min(1).max(64).optional(),
  expires_at: z.iso.datetime().optional(),
});

export function userKeysApi(keys: UserKeyDirectory): Hono {
  const app = new Hono();
  app.get("/:address/keys", async (context) => context.json({ keys: await keys.list(context.req.param("address")) }));
  app.post("/:address/keys", async (context) => {
    const { pem, label, expires_at: end } = await jsonBody(context.req, keyBody);
    const address = context.req.param("address");
    const expiresAt = end === undefined ? undefined : Date.parse(end);
    const added = await keys.add(address, { pem, label, expiresAt });
    noteChange(context, { user: address, key: added.label });
    return context.json(added, 201);
  });
  app.delete("/:address/keys/:name", async (context) => {
    const { address, name } = context.req.param();
    await keys.remove(address, name);
    noteChange(context, { user: address, key: name });
    return context.json({ address, key: name });
  });
  return app;
}
