/** The first message of a new test inbox: sent over SMTP to its own port, and waited for the way a test waits. */
import { z } from "zod";
import { capturedPage } from "../api-shapes.ts";
import type { CliContext, ServerApi } from "../context.ts";
import { ask } from "../data-dir.ts";
import { CliError } from "../exit-code.ts";
import type { RunningServer } from "../running-server.ts";
import { makeMessage } from "../../message/make-message.ts";
import type { SendPlan } from "../send/send-plan.ts";
import { openSendSession, placeOf } from "../send/send-session.ts";

export type FirstMessage =
  | { readonly kind: "arrived"; readonly queueId: string; readonly acceptedMs: number; readonly capturedMs: number }
  | { readonly kind: "failed"; readonly reason: string };

const subject = "Welcome: this message took the real path";
const text = (
  address: string,
  program: string,
) => `This message was sent over SMTP to the port that your application will use. It was accepted, written to
the spool and synced to disk, answered with 250, routed, and captured instead of leaving this machine.

Whatever your application sends arrives here the same way. List it with

    ${program} inbox list

or let a test wait for it:

    curl 'http://${address}/api/v1/inbox/wait?to=ann@example.org&timeout=30s'
`;

/** Sends it where the inbox is empty, so that there is something to look at; undefined where there already is. */
export async function sendFirstMessage(
  server: RunningServer,
  dataDir: string,
  context: CliContext,
): Promise<FirstMessage | undefined> {
  try {
    await using api = await context.serverApi({ dataDir });
    const { messages } = capturedPage.parse(await ask(api, "/api/v1/inbox?limit=1"));
    return messages.length > 0 ? undefined : await sendAndWait(server, api, context);
  } catch (error) {
    if (error instanceof CliError) return { kind: "failed", reason: error.message };
    throw error;
  }
}

async function sendAndWait(server: RunningServer, api: ServerApi, context: CliContext): Promise<FirstMessage> {
  const endpoint = server.listeners[0]?.endpoint;
  if (!endpoint) return { kind: "failed", reason: "no listener is open" };
  const plan: SendPlan = {
    server: undefined,
    tls: "none",
    certificateAuthorities: [],
    credentials: undefined,
    heloName: "localhost",
    from: "posthaste@localhost",
    to: ["you@localhost"],
    smtpUtf8: false,
    count: 1,
    concurrency: 1,
    reconnect: false,
    timeoutMs: 5000,
    lmtp: false,
  };
  const started = context.clock.monotonicMs();
  const opened = await openSendSession({ endpoint, name: "localhost" }, plan, context);
  if (opened.kind === "trouble") return { kind: "failed", reason: opened.trouble.message };
  await using session = opened.session;
  const body = text(placeOf(server.admin), context.environment["POSTHASTE_PROGRAM"] ?? "posthaste");
  const bytes = makeMessage({ subject, text: body, extra: [], attachments: [] }, plan, {
    at: context.clock.now(),
    random: context.random,
  });
  const [result] = await session.send({ bytes, eightBit: false });
  const accepted = context.clock.monotonicMs();
  if (result?.kind !== "accepted") return { kind: "failed", reason: "the server refused it; the log says why" };
  await session.quit();
  const query = new URLSearchParams({ subject, timeout: "5s" });
  const { id } = z.object({ id: z.string() }).parse(await ask(api, `/api/v1/inbox/wait?${query.toString()}`));
  const captured = context.clock.monotonicMs();
  return { kind: "arrived", queueId: id, acceptedMs: accepted - started, capturedMs: captured - accepted };
}
