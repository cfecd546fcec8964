/**
 * Puts a whole server together from settings and ports, and takes it apart again. `main.ts` gives the real ports; tests
 * and simulations give theirs and start as many servers as they like in one process.
 *
 * A server is a list of parts, each opened with those before it: one list for production, one for development.
 */
import { AnyAccounts } from "../accounts/any-accounts.ts";
import { UserStore } from "../accounts/user-store.ts";
import type { Inbox } from "../admin/inbox.ts";
import type { OpenListener, ReloadResult, RunningServer, ServerPlan } from "../cli/running-server.ts";
import type { Settings } from "../config/settings-schema.ts";
import { listenerOptions } from "../config/settings-views.ts";
import { hasImplicitTls } from "../inbound/listener-options.ts";
import { formatEndpoint } from "../lib/endpoint.ts";
import type { Endpoint } from "../lib/endpoint.ts";
import { openOwnPolicies } from "./http-side/own-policies.ts";
import { openHttpSide } from "./http-side/http-side.ts";
import { userDirectory } from "./http-side/user-directory.ts";
import { openAccounts } from "./identity/accounts.ts";
import { openAcme } from "./identity/acme.ts";
import { openCertificates } from "./identity/certificates.ts";
import { openForwarding } from "./identity/forwarding.ts";
import { openSigning } from "./identity/signing.ts";
import { InForce, type Opening, Parts } from "./plan/part.ts";
import { reloadInTurn } from "./plan/reload.ts";
import type { ServerPorts } from "./plan/server-ports.ts";
import { tellSettingsWarnings } from "./plan/settings-warnings.ts";
import { openBans } from "./receiving/bans.ts";
import { openIntake } from "./receiving/intake.ts";
import { openPolicy } from "./receiving/policy.ts";
import { openAdmission, openReceiving, tellFewerSessions } from "./receiving/receiving.ts";
import { openDelivery } from "./sending/delivery.ts";
import {
  openDailyReports,
  openDailyTlsReports,
  openTlsSessions,
  openEvaluationCounts,
  openReceivedReports,
} from "./sending/domain-reports.ts";
import { openHeldMail, openQueue } from "./sending/queue.ts";
import { findReportDestinations } from "./sending/report-destinations.ts";
import { openRouteLogins } from "./sending/route-logins.ts";
import { openRouting } from "./sending/routing.ts";
import { openToken } from "./store/data-dir.ts";
import { openHistory, openInbox } from "./store/retention.ts";
import { openStore } from "./store/store.ts";

/** Where the server can be reached. */
interface Places {
  readonly listeners: readonly OpenListener[];
  readonly admin: Endpoint;
  readonly inbox: Inbox;
}

type OpenParts = (opening: Opening, reload: () => Promise<ReloadResult>) => Promise<Places>;

const partsOf = { production, development } satisfies Record<ServerPlan["mode"], OpenParts>;

/** Rejects with `StartError`; nothing stays open then. */
export function createServer(plan: ServerPlan, ports: ServerPorts): Promise<RunningServer> {
  return openServer(plan, ports, new Parts());
}

/** `parts`: empty; the parts of the server enter themselves there. */
export async function openServer(plan: ServerPlan, ports: ServerPorts, parts: Parts): Promise<RunningServer> {
  const { settings, mode } = plan;
  const { log } = ports;
  const opening: Opening = { plan, settings, ports, parts };
  const view = ({ stop_within: withinMs }: Settings) => ({ withinMs });
  const { get, prepare } = new InForce(view(settings));
  parts.add({ name: "stop", view, prepare });
  const reload = reloadInTurn(opening);

  await using unfinished = new AsyncDisposableStack();
  unfinished.defer(() => parts.stop(get().withinMs));
  const { listeners, admin, inbox } = await partsOf[mode](opening, reload);
  await parts.start();
  unfinished.move();
  log.event("server-started", {
    hostname: settings.hostname,
    mode,
    data_dir: settings.data_dir,
    admin: formatEndpoint(admin),
  });

  let stopping: Promise<void> | undefined;
  const stop = async () => {
    const { withinMs } = get();
    log.event("server-stopping", { within_ms: withinMs });
    await parts.stop(withinMs);
    log.event("server-stopped", {});
  };
  return { listeners, admin, inbox, reload, stop: () => (stopping ??= stop()) };
}

async function production(opening: Opening, reload: () => Promise<ReloadResult>): Promise<Places> {
  const { settings, ports } = opening;
  const { crypto, clock, random } = ports;
  const store = await openStore(opening);
  const users = new UserStore(store.spool);
  const certificates = await openCertificates(opening, { offered: true });
  const { bans, signInLimits, directory } = await openBans(opening, store);
  const accounts = await openAccounts(opening, users, signInLimits);
  const acme = openAcme(opening, certificates);
  const history = openHistory(opening, store);
  const inbox = openInbox(opening, store, history);
  const signing = await openSigning(opening, store);
  const { agent: reports, work } = openReceivedReports(opening, store);
  const evaluations = openEvaluationCounts(opening, store);
  const tlsSessions = openTlsSessions(opening, store);
  const routeLogins = openRouteLogins(opening, store);
  const senders = { signing: signing.messages, tlsSessions, accessTokens: routeLogins };
  const agents = openDelivery(opening, { reports, ...senders });
  const forwarding = await openForwarding(opening, store, signing);
  const findDestination = findReportDestinations({ accounts, forwarding });
  const router = openRouting(opening, store, tlsSessions);
  const admission = await openAdmission(opening, { queue: () => sending.queue, intake: () => intake }, bans);
  const policy = await openPolicy(opening, {
    store,
    admission,
    accounts,
    hasMailboxHere: (to) => router.endsInMaildir(to),
  });
  const intake = openIntake(opening, store, {
    ...{ admission, policy, router, evaluations, signing: signing.messages, forwarding },
    sending: () => sending,
  });
  const sending = openQueue(opening, store, { router, agents, findDestination, intake });
  const { queue, gatherer } = sending;
  const heldMail = openHeldMail(opening, store, { gatherer, intake, findDestination });
  openDailyReports(opening, store, { counts: evaluations, work, intake });
  openDailyTlsReports(opening, store, { counts: tlsSessions, intake });
  tellFewerSessions(opening);
  tellSettingsWarnings(opening);
  const services = { ids: store.ids, certificates, accounts, admission, policy, intake, forwarding };
  const { listeners, ...health } = await openReceiving(opening, services, listenerOptions(settings, false));
  await openOwnPolicies(opening, certificates);
  const token = await openToken(opening);
  const admin = await openHttpSide(opening, {
    ...{ store, queue, heldMail, ...health, inbox, reload, token },
    users: userDirectory({ settings: () => accounts.snapshot.settings, accounts, store: users, crypto, clock, random }),
    signIn: (login, scope) => accounts.authenticateForApi(login, scope),
    dkim: signing.keys,
    bans: directory,
    acme,
    routeLogins,
  });
  return { listeners, admin, inbox };
}

/** Every address is local, every password right, and all mail is captured: nobody signs, forwards, or counts. */
async function development(opening: Opening, reload: () => Promise<ReloadResult>): Promise<Places> {
  const { settings, plan } = opening;
  const { startTls = true } = plan;
  const listening = listenerOptions(settings, true).map((listener) => ({ ...listener, startTls }));
  const store = await openStore(opening);
  const offered = startTls || listening.some(({ kind }) => hasImplicitTls(kind));
  const certificates = await openCertificates(opening, { offered });
  const accounts = new AnyAccounts(settings.hostname);
  const history = openHistory(opening, store);
  const inbox = openInbox(opening, store, history);
  const { agent: reports } = openReceivedReports(opening, store);
  const routeLogins = openRouteLogins(opening, store);
  const agents = openDelivery(opening, { reports, accessTokens: routeLogins });
  const findDestination = findReportDestinations({ accounts });
  const router = openRouting(opening, store);
  const admission = await openAdmission(opening, { queue: () => sending.queue, intake: () => intake });
  const policy = await openPolicy(opening, {
    admission,
    accounts,
    hasMailboxHere: (to) => router.endsInMaildir(to),
  });
  const intake = openIntake(opening, store, { admission, policy, router, sending: () => sending });
  const sending = openQueue(opening, store, { router, agents, findDestination, intake });
  const { queue, gatherer } = sending;
  const heldMail = openHeldMail(opening, store, { gatherer, intake, findDestination });
  const services = { ids: store.ids, certificates, accounts, admission, policy, intake };
  const { listeners, ...health } = await openReceiving(opening, services, listening);
  const admin = await openHttpSide(opening, { store, queue, heldMail, ...health, inbox, reload, routeLogins });
  return { listeners, admin, inbox };
}
