/** Bans over HTTP: which networks are banned, what is known of a network or a login, and an operator's order to lift a ban. */
import { Hono, type Context } from "hono";
import { z } from "zod";
import type { SignInStanding, SignInSubject } from "../accounts/sign-in-limits.ts";
import { parseIpAddress } from "../address/ip-address.ts";
import { mailboxKey, parseMailbox } from "../address/mailbox-text.ts";
import type { Ban, BanExplanation } from "../policy/bans.ts";
import { noteChange } from "./command-log.ts";
import { BodyError, jsonBody } from "./json-body.ts";

/** What an operator may see and change. */
export interface BanDirectory {
  /** In force, the newest first. */
  list(): readonly Ban[];
  /** An address, or a network as it is listed. */
  explain(address: string): BanExplanation;
  /** Failed logins of an account or a network, and how long the next attempt has to wait. */
  standing(of: SignInSubject): Promise<SignInStanding>;
  /** Ends bans and waits; gives the bans that were in force. */
  lift(of: SignInSubject): Promise<readonly Ban[]>;
}

const liftBody = z.strictObject({ of: z.string().min(1).max(320) });

export function bansApi(bans: BanDirectory): Hono {
  const app = new Hono();

  app.get("/", (context) => context.json({ bans: bans.list().map(banJson) }));

  app.get("/explain", async (context) => {
    const of = subjectOf(context.req.query("of") ?? "");
    if (of === undefined) return neither(context);
    const { failures, waitMs } = await bans.standing(of);
    const logins = { failed_logins: failures, login_wait_seconds: Math.ceil(waitMs / 1000) };
    if (of.kind === "account") return context.json({ login: of.account, ...logins });
    const { network, exemption = null, bans: inForce, left } = bans.explain(of.network);
    return context.json({ network, never_banned: exemption, bans: inForce.map(banJson), allowance: left, ...logins });
  });

  app.post("/lift", async (context) => {
    const of = subjectOf((await jsonBody(context.req, liftBody)).of);
    if (of === undefined) return neither(context);
    const lifted = await bans.lift(of);
    noteChange(context, of.kind === "account" ? { user: of.account } : { network: of.network, lifted: lifted.length });
    return context.json({ lifted: lifted.map(banJson) });
  });

  app.onError((error, context) => {
    if (error instanceof BodyError) return context.json({ error: error.message }, 400);
    throw error;
  });

  return app;
}

function subjectOf(text: string): SignInSubject | undefined {
  const [address = ""] = text.split("/", 1);
  if (parseIpAddress(address) !== undefined) return { kind: "network", network: address };
  const mailbox = parseMailbox(text);
  return mailbox === undefined ? undefined : { kind: "account", account: mailboxKey(mailbox) };
}

function neither(context: Context): Response {
  return context.json({ error: "give an IP address, a network as it is listed, or the login of a user" }, 400);
}

function banJson({ network, service, offence, client, times, since, until }: Ban): Record<string, unknown> {
  const [sinceText, untilText] = [new Date(since).toISOString(), new Date(until).toISOString()];
  return { network, service, offence, client, times, since: sinceText, until: untilText };
}
