/**
 * What domains publish about TLS holds whatever an attacker does, and costs no mail: nothing leaves in clear or to an unproven
 * host where a policy forbids it, trouble with TLS alone fails nothing, and no password goes to whoever cannot prove itself.
 */
import type { TlsWorld, WireEntry } from "./tls-world.ts";
import type { Rows, WorldView } from "./world-view.ts";

export function checkTls(view: WorldView, rows: Rows): readonly string[] {
  const { tls } = view.machine;
  if (tls === undefined) return [];
  return [...checkGuards(tls, view), ...checkPasswords(tls), ...checkFailures(view, rows)];
}

function checkGuards(tls: TlsWorld, { receivers }: WorldView): readonly string[] {
  return tls.guards.flatMap(({ domain, by }) => {
    const own = tls.wire.filter((entry) => entry.what === "recipient" && entry.domain === domain);
    const fromMs = by === "dane" ? 0 : learnedAt(tls, domain, own);
    // A fault may have given the host another name, for which nothing is published.
    const changes = receivers.find((receiver) => receiver.domain === domain)?.names.changes ?? [];
    const untilMs = changes[0]?.from ?? Number.POSITIVE_INFINITY;
    const leak = own.find(({ at, certificate }) => at >= fromMs && at < untilMs && certificate?.isGenuine !== true);
    if (leak === undefined) return [];
    return [`mail for ${domain}, whose ${by} policy forbids it, went to ${leak.address} ${how(leak)}`];
  });
}

/** A policy protects once it is known; mail that was routed after it was fetched shows that it was also kept. */
function learnedAt(tls: TlsWorld, domain: string, own: readonly WireEntry[]): number {
  const fetchedAt = tls.fetched.find((one) => one.domain === domain)?.at ?? Number.POSITIVE_INFINITY;
  return own.find(({ at }) => at >= fetchedAt)?.at ?? Number.POSITIVE_INFINITY;
}

function checkPasswords({ wire }: TlsWorld): readonly string[] {
  return wire
    .filter(({ what, certificate }) => what === "password" && certificate?.isGenuine !== true)
    .map((entry) => `a password went to ${entry.address} ${how(entry)}`);
}

/** All hosts of such a scene take what reaches them. */
function checkFailures({ stage }: WorldView, rows: Rows): readonly string[] {
  const domains = new Set(stage.receivers.map(({ domain }) => domain));
  return rows.flatMap(({ message, events }) =>
    events
      .filter((event) => event.kind === "recipient-failed")
      .filter(({ address }) => domains.has(address.slice(address.lastIndexOf("@") + 1)))
      .map(({ address, attempt }) => {
        const said = attempt.outcome.diagnostic?.text ?? attempt.outcome.status;
        return `${message.id} for ${address} failed before its time for trouble with TLS: ${said}`;
      }),
  );
}

function how({ certificate }: WireEntry): string {
  return certificate === undefined ? "in clear" : `under the certificate ${certificate.label}`;
}
