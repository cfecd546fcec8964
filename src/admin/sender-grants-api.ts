/** `/api/v1/users/ADDRESS/grants`: as whom a user may send besides themselves. */
import { Hono } from "hono";
import { z } from "zod";
import { noteChange } from "./command-log.ts";
import { jsonBody } from "./json-body.ts";

export interface SenderGrantDirectory {
  /** `file`: of `send_as`, and changed there. */
  list(address: string): Promise<readonly { readonly address: string; readonly source: "file" | "data" }[]>;
  /** `granted`: an address, or `*@domain`. */
  add(address: string, granted: string): Promise<void>;
  remove(address: string, granted: string): Promise<void>;
}

const body = z.strictObject({ address: z.string().min(1).max(320) });

export function senderGrantsApi(grants: SenderGrantDirectory): Hono {
  const app = new Hono();
  app.get("/:address/grants", async (context) =>
    context.json({ grants: await grants.list(context.req.param("address")) }),
  );
  app.post("/:address/grants", async (context) => {
    const { address: granted } = await jsonBody(context.req, body);
    const user = context.req.param("address");
    await grants.add(user, granted);
    noteChange(context, { user, grant: granted });
    return context.json({ user, address: granted }, 201);
  });
  app.delete("/:address/grants/:granted", async (context) => {
    const { address: user, granted } = context.req.param();
    await grants.remove(user, granted);
    noteChange(context, { user, grant: granted });
    return context.json({ user, address: granted });
  });
  return app;
}
