/**
 * Tells of each connection to a mail host what TLS came to, for the daily reports (RFC 8460). Only hosts that the DNS named for a
 * domain are told of, under the policies that domains publish: what our own settings demand is nobody else's business, and
 * mail that says `TLS-Required: No`, as the reports themselves do, is not counted.
 */
import { formatTlsa } from "../dane/tlsa-record.ts";
import type { TlsFacts } from "../ports/network.ts";
import { resultTypeOf } from "../tls-rpt/result-type.ts";
import type { ReportedPolicy, TlsFailureFacts, TlsResultType, TlsSessionRecorder } from "../tls-rpt/session-note.ts";
import type { ConnectionObserver } from "./connection-observer.ts";
import { addressText, type Target } from "./connection-setup.ts";
import type { Setback } from "./delivery-verdict.ts";
import type { SmtpClientConnection } from "./smtp-client-connection.ts";

/** `domains`: of the recipients. Undefined where nothing is to be told. */
export function tlsSessionObserver(
  recorder: TlsSessionRecorder,
  target: Target,
  domains: readonly string[],
): ConnectionObserver | undefined {
  const policy = policyOf(target);
  const reported = domains.filter((domain) => domain.includes(".") && !domain.startsWith("["));
  if (policy === undefined || reported.length === 0) return undefined;
  const { host } = target;
  let where: Omit<TlsFailureFacts, "type"> = { receivingHost: host, receivingAddress: addressText(target.endpoint) };
  const tell = (failure?: TlsFailureFacts, failureIfTested?: TlsFailureFacts): void => {
    const session = { host, ...(failure && { failure }), ...(failureIfTested && { failureIfTested }) };
    for (const domain of reported) recorder.session(domain, policy, session);
  };
  const failed = (type: TlsResultType, reason?: string): TlsFailureFacts => ({
    type,
    ...where,
    ...(reason !== undefined && { reason }),
  });
  return {
    connected: ({ local }) => {
      if (local.kind === "ip") where = { sendingAddress: local.address, ...where };
    },
    connectFailed: () => undefined,
    secured: (tls) => tell(undefined, unverified(tls, failed)),
    failed: ({ status, reason }: Setback) => {
      if (status === "4.7.4") tell(failed("starttls-not-supported"));
      else if (status === "4.7.5") tell(failed(resultTypeOf(reason), reason));
    },
    ready: ({ tls, capabilities }: SmtpClientConnection) => {
      // Offered and not used: the handshake failed before, and was told then.
      if (tls === undefined && !capabilities.startTls) tell(failed("starttls-not-supported"));
    },
  };
}

function unverified(
  { verified, verifyError = "" }: TlsFacts,
  failed: (type: TlsResultType, reason?: string) => TlsFailureFacts,
): TlsFailureFacts | undefined {
  return verified ? undefined : failed(resultTypeOf(verifyError), verifyError);
}

function policyOf({
  dialect,
  implicitTls,
  tls: { demand, reason },
}: Target): ReportedPolicy | "sts-or-none" | undefined {
  if (dialect !== "smtp" || implicitTls) return undefined;
  switch (reason.rule) {
    case "dane":
      if (demand.kind !== "dane") return { type: "tlsa", strings: [], mxHosts: [] };
      return {
        type: "tlsa",
        ...(demand.names[0] !== undefined && { domain: demand.names[0] }),
        strings: demand.records.map((record) => formatTlsa(record)),
        mxHosts: [],
      };
    case "mta-sts":
    case "default":
      return "sts-or-none";
    default:
      return undefined;
  }
}
