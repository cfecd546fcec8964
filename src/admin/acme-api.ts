/** `/api/v1/acme`: the state of the certificate that an authority issues, a retry, a roll-over. Keys never leave. */
import { type Context, Hono } from "hono";
import type { AcmeAdministration, AcmeStatus } from "../acme/acme-administration.ts";
import { isoTime } from "../lib/instant.ts";

export type AcmeDirectory = Pick<AcmeAdministration, "status" | "rollOver" | "retry">;

export function acmeApi(acme: AcmeDirectory): Hono {
  const app = new Hono();
  app.get("/", async (context) => answer(context, await acme.status()));
  app.post("/retry", async (context) => answer(context, await acme.retry()));
  app.post("/roll", async (context) => answer(context, await acme.rollOver()));
  return app;
}

function answer(context: Context, status: AcmeStatus | undefined) {
  if (status === undefined) return context.json({ error: "the configuration has no [tls.acme]" }, 409);
  const { certificate, state, account, tlsa, ...rest } = status;
  const { failure, renewAt, renewalBy, bothShown } = state ?? {};
  return context.json({
    ...rest,
    account: account ?? null,
    certificate: certificate
      ? { names: certificate.names, issuer: certificate.issuer, valid_to: isoTime(certificate.validTo) }
      : null,
    renew_at: renewAt === undefined ? null : isoTime(renewAt),
    renew_by: renewalBy ?? null,
    failure: failure
      ? {
          at: isoTime(failure.at),
          problem: failure.problem,
          retry_at: isoTime(failure.retryAt),
          attempts: failure.attempts,
        }
      : null,
    tlsa: { current: tlsa.current ?? null, next: tlsa.next ?? null },
    roll_over_at: bothShown ? isoTime(bothShown.since + bothShown.waitMs) : null,
  });
}
