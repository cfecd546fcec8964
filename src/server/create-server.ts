/**
 * Puts a whole server together from settings and ports, and takes it apart again. `main.ts` gives the real ports; tests
 * and simulations give theirs and start as many servers as they like in one process.
 */
import { Accounts } from "../accounts/accounts.ts";
import type { AccountDirectory } from "../accounts/account-directory.ts";
import { AnyAccounts } from "../accounts/any-accounts.ts";
import { UserStore } from "../accounts/user-store.ts";
import { adminApp } from "../admin/app.ts";
import { guardSettings } from "../admin/guard.ts";
import { Inbox } from "../admin/inbox.ts";
import { InboxKeeper, type RetentionLimits } from "../admin/inbox-keeper.ts";
import type { MessageReading } from "../admin/message-reading.ts";
import { controlSocketOf } from "../cli/control-socket.ts";
import type { OpenListener, ReloadResult, RunningServer, ServerPlan } from "../cli/running-server.ts";
import { StartError } from "../cli/running-server.ts";
import { ConfigError } from "../config/config-problem.ts";
import type { Settings } from "../config/settings-schema.ts";
import {
  accountSettings,
  certificatePaths,
  forwardingOptions,
  inboundSettings,
  listenerOptions,
  needsRestart,
  routerSettings,
  signingSettings,
  senderAuthenticationSettings,
} from "../config/settings-views.ts";
import { MessageForwarding } from "../forwarding/message-forwarding.ts";
import { explain } from "../history/explain.ts";
import { HistoryKeeper } from "../history/history-keeper.ts";
import { CommitHealth } from "../inbound/commit-health.ts";
import { Inbound } from "../inbound/inbound.ts";
import { hasImplicitTls, ListenerError } from "../inbound/listener-options.ts";
import type { InboundServices } from "../inbound/services.ts";
import { InTurn } from "../lib/in-turn.ts";
import { formatListenAddress } from "../lib/setting-types.ts";
import { SharedBudget } from "../lib/shared-budget.ts";
import { CertificateError } from "../node/certificates.ts";
import { CertificateStore } from "../node/certificate-store.ts";
import { CaptureDelivery } from "../outbound/capture-delivery.ts";
import { DiscardDelivery } from "../outbound/discard-delivery.ts";
import { MaildirDelivery } from "../outbound/maildir-delivery.ts";
import { smtpDeliverySettings } from "../outbound/settings.ts";
import { SmtpDelivery } from "../outbound/smtp-delivery.ts";
import { SenderAuthentication } from "../policy/authentication/sender-authentication.ts";
import { ConnectionLimits, sessionsWithin } from "../policy/connection-limits.ts";
import { DroppedConnections } from "../policy/dropped-connections.ts";
import { FreeSpace } from "../policy/free-space.ts";
import { MessageRate } from "../policy/message-rate.ts";
import type { Clock } from "../ports/clock.ts";
import type { Crypto } from "../ports/crypto.ts";
import type { Files } from "../ports/files.ts";
import type { Log } from "../ports/log.ts";
import { type Endpoint, type Network, NetworkError } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import type { Resolver } from "../ports/resolver.ts";
import { openReports } from "./sending/open-reports.ts";
import { Queue } from "../queue/queue.ts";
import type { ReportWork } from "../reporting/report-work.ts";
import { HeldMailKeeper } from "../reporting/held-mail-keeper.ts";
import { ReportGatherer } from "../reporting/report-gatherer.ts";
import { Reporter } from "../reporting/reporter.ts";
import { findReportDestinations } from "./sending/report-destinations.ts";
import { MxRouter } from "../route/mx-router.ts";
import { openSigning } from "../signing/open-signing.ts";
import { QueueIds } from "../spool/queue-id.ts";
import type { Spool } from "../spool/spool.ts";
import { ownToken, prepareDataDir } from "./store/data-dir.ts";
import { userDirectory } from "./http-side/user-directory.ts";

/** A Request-to-Response function, served. */
export interface HttpServer {
  readonly endpoint: Endpoint;
  close(): Promise<void>;
}

export interface ServerPorts {
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly network: Network;
  readonly files: Files;
  readonly resolver: Resolver;
  readonly log: Log;
  /** Files and sockets that this process may have open; absent: nobody knows. */
  readonly openFilesMax?: number;
  /** Addresses of this machine, as they are now. */
  readonly interfaceAddresses: () => readonly string[];
  /** Throws {@link StartError} where another server has the folder, which exists by now. */
  readonly lock: (dataDir: string) => { release(): void };
  readonly openSpool: (dataDir: string) => Promise<Spool>;
  /** Reads and makes reports, best in a thread of its own: absent, this one does, and stands still meanwhile. */
  readonly reportWork?: ReportWork;
  /** Takes captured mail apart, likewise. */
  readonly reading?: MessageReading;
  readonly serveHttp: (
    endpoint: Endpoint,
    fetch: (request: Request) => Response | Promise<Response>,
  ) => Promise<HttpServer>;
}

/** Rejects with {@link StartError}; nothing stays open then. */
export async function createServer(plan: ServerPlan, ports: ServerPorts): Promise<RunningServer> {
  await using opened = new AsyncDisposableStack();
  const { settings, mode } = plan;
  const { clock, random, crypto, network, files, log } = ports;
  const development = mode === "development";
  const dataDir = settings.data_dir;
  const queueDeadline = { ms: settings.stop_within };

  await prepareDataDir(dataDir, { files, log });
  const lock = ports.lock(dataDir);
  opened.defer(() => lock.release());
  const spool = opened.use(await ports.openSpool(dataDir));
  const certificates = opened.use(await openCertificates(plan, ports));
  const ids = new QueueIds(clock, random);
  const store = new UserStore(spool);
  const accounts = development
    ? undefined
    : await Accounts.open({ settings: accountSettings(settings), store, crypto, clock, random });
  const directory: AccountDirectory = accounts ?? new AnyAccounts(settings.hostname);

  const tellAccountProblems = () => {
    for (const { section, index, message: problem } of accounts?.problems ?? []) {
      log.event("account-problem", { key: `${section}[${index}]`, problem });
    }
  };
  tellAccountProblems();

  let current = settings;
  const history = new HistoryKeeper({ spool, clock, log }, settings.history.keep);
  opened.defer(() => history.close());
  const { reading } = ports;
  if (reading) opened.defer(() => reading.close());
  const inbox = new Inbox(
    { spool, files, clock, ...(reading && { reading }) },
    { folder: `${dataDir}/captured`, deleted: () => history.wake() },
  );
  const inboxKeeper = new InboxKeeper({ captured: spool.captured, clock, log }, retentionLimits(settings));
  opened.defer(() => inboxKeeper.close());
  const smtp = new SmtpDelivery({
    network,
    clock,
    log,
    settings: smtpDeliverySettings(settings.hostname, settings.outbound, settings.queue.warn_after),
    signing: () => signing?.messages,
  });
  const signing = development
    ? undefined
    : await openSigning({ spool, resolver: ports.resolver, clock, crypto, random, log }, signingSettings(settings));
  if (signing) opened.defer(() => signing.close());
  const reports = openReports({
    ...{ spool, resolver: ports.resolver, clock, random, log, version: ports.version },
    nextId: () => ids.next(),
    settings: () => current,
    ...(ports.reportWork && { reportWork: ports.reportWork }),
  });
  opened.defer(() => reports.close());
  const agents = {
    smtp,
    lmtp: smtp,
    maildir: new MaildirDelivery({ files, log }, { hostname: settings.hostname }),
    capture: new CaptureDelivery(),
    reports: reports.agent,
    discard: new DiscardDelivery(),
  };
  const reserve = settings.limits.free_space;
  const freeSpace = await FreeSpace.open({ files, clock, log, path: dataDir, reserve });
  opened.defer(() => smtp.close());
  const forwarding = development
    ? undefined
    : opened.use(
        await MessageForwarding.open(
          { spool, clock, random, crypto, log, keysFor: (domain) => signing?.signingKeysFor(domain) ?? [] },
          forwardingOptions(settings),
        ),
      );
  const reporter = new Reporter({
    settings: () => ({ hostname: current.hostname }),
    clock,
    random,
    log,
    nextId: () => ids.next(),
    findDestination: findReportDestinations({ accounts: directory, ...(forwarding && { forwarding }) }),
    ...(signing && { sign: (content: Uint8Array) => signing.signWhole(content) }),
  });
  const router = new MxRouter({
    resolver: ports.resolver,
    ...{ clock, random, log },
    settings: routerSettings(settings, ports.interfaceAddresses),
  });
  const { captures } = router;
  const gatherer = new ReportGatherer({ reporter, spool, clock, log, captures, wake: () => queue.wake() });
  opened.defer(() => gatherer.close());
  const findDestination = findReportDestinations({ accounts: directory, ...(forwarding && { forwarding }) });
  const heldMail = new HeldMailKeeper({
    ...{ spool, gatherer, clock, random, log, findDestination, nextId: () => ids.next(), wake: () => queue.wake() },
    settings: () => ({ hostname: current.hostname, expireMs: current.queue.expire }),
  });
  opened.defer(() => heldMail.close());
  const queue = new Queue({
    spool,
    router,
    agents,
    reporter: gatherer,
    captures,
    clock,
    random,
    log,
    settings: settings.queue,
  });
  opened.defer(() => queue.stop({ deadlineMs: queueDeadline.ms }));

  const authentication = new SenderAuthentication(
    { resolver: ports.resolver, clock, log },
    senderAuthenticationSettings(settings),
  );
  const intake = new CommitHealth(spool, clock);
  const inbound = await openInbound(plan, ports, {
    clock,
    random,
    log,
    network,
    spool: intake,
    ids,
    accounts: directory,
    queue,
    hasMailboxHere: (recipient) => router.endsInMaildir(recipient),
    captures,
    reporter,
    certificates,
    authentication,
    ...(signing && { signing: signing.messages }),
    ...(forwarding && { forwarding }),
    ...(development ? {} : { evaluations: reports.recorder }),
    memory: new SharedBudget(settings.limits.session_memory),
    connectionLimits: connectionLimits(plan, ports),
    messageRate: new MessageRate(settings.limits.client_message_rate),
    freeSpace,
  });
  opened.defer(() => inbound.shutdown({ deadlineMs: queueDeadline.ms }));

  let ready = true;
  const applyReload = async (): Promise<ReloadResult> => {
    if (!plan.reload) return { ok: false, error: "this server has no configuration file" };
    try {
      const next = await plan.reload();
      const fixed = needsRestart(current, next);
      if (fixed !== undefined) throw new Error(fixed);
      if (!(await certificates.reload(certificatePaths(next)))) throw new Error("the certificate cannot be used");
      await accounts?.reload(accountSettings(next));
      current = next;
      queueDeadline.ms = next.stop_within;
      inbound.reconfigure(inboundSettings(next));
      authentication.reconfigure(senderAuthenticationSettings(next));
      smtp.reconfigure(smtpDeliverySettings(next.hostname, next.outbound, next.queue.warn_after));
      router.reconfigure(routerSettings(next, ports.interfaceAddresses));
      queue.reconfigure(next.queue);
      history.reconfigure(next.history.keep);
      inboxKeeper.reconfigure(retentionLimits(next));
      signing?.reconfigure(signingSettings(next));
      forwarding?.reconfigure(forwardingOptions(next));
      log.event("settings-reloaded", {});
      tellAccountProblems();
      return { ok: true };
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const problems = error instanceof ConfigError ? { problems: error.problems } : {};
      log.event("settings-refused", { error: text, ...problems });
      return { ok: false, error: text };
    }
  };

  // Two at once would mix the settings of both: a signal and a request, or two of either.
  const reloads = new InTurn();
  const reload = () => reloads.run(applyReload);

  const shared = {
    log,
    version: ports.version,
    spool,
    siteControl: queue.sites,
    operate: queue.operate.bind(queue),
    sites: () => ({ queue: queue.stats(), sites: queue.sites.list() }),
    explain: (id: string) => explain(spool, id, { now: clock.now(), expireMs: current.queue.expire }),
    inbox,
    reload,
    // A full disk and a spool that takes no mail or no outcome refuse mail as a server does that is going.
    ready: () =>
      ready && freeSpace.check(0).verdict === "accept" && intake.takesMail && queue.stats().paused === undefined,
    heldMail: () => heldMail.held,
    ...(signing && { dkim: signing.keys }),
    ...(accounts
      ? { users: userDirectory({ settings: () => accountSettings(current), accounts, store, crypto, clock }) }
      : {}),
  };
  // What listens on an address goes by the token and the names in force; a reload may change them. Any user of this machine
  // reaches an address, and only this one the socket; nobody develops with a token.
  const token =
    development || settings.admin.listen.kind === "unix" ? undefined : await ownToken(dataDir, { files, random, log });
  let guarded = { settings, app: adminApp(shared, guardSettings(settings, token)) };
  const fetchGuarded = (request: Request) => {
    if (guarded.settings !== current) {
      guarded = { settings: current, app: adminApp(shared, guardSettings(current, token)) };
    }
    return guarded.app.fetch(request);
  };
  const control = await openHttp(
    ports,
    "control",
    { kind: "unix", path: controlSocketOf(dataDir) },
    adminApp(shared, undefined).fetch,
  );
  opened.defer(() => control.close());
  const admin = await openHttp(ports, "admin", settings.admin.listen, fetchGuarded);
  opened.defer(() => admin.close());

  await gatherer.start();
  queue.start();
  signing?.start();
  history.start();
  heldMail.start();
  inboxKeeper.start();
  if (!development)
    reports.start({
      wake: () => queue.wake(),
      ...(signing && { sign: (content: Uint8Array) => signing.signWhole(content) }),
    });
  const listeners = settings.listener.map(({ kind }, index): OpenListener => {
    return { kind, endpoint: inbound.endpoints[index] ?? { kind: "unix", path: "" } };
  });
  log.event("server-started", {
    hostname: settings.hostname,
    mode,
    data_dir: dataDir,
    admin: formatListenAddress(admin.endpoint),
  });

  const resources = opened.move();
  let stopping: Promise<void> | undefined;
  const stop = async () => {
    ready = false;
    log.event("server-stopping", { within_ms: queueDeadline.ms });
    // Both at once, so that they share the time; what is opened last is closed first, these again and to no effect.
    await Promise.all([
      inbound.shutdown({ deadlineMs: queueDeadline.ms }),
      queue.stop({ deadlineMs: queueDeadline.ms }),
    ]);
    await resources.disposeAsync();
    log.event("server-stopped", {});
  };
  return { listeners, admin: admin.endpoint, reload, stop: () => (stopping ??= stop()) };
}

function connectionLimits({ settings: { limits }, mode }: ServerPlan, ports: ServerPorts): ConnectionLimits {
  const { openFilesMax, log, clock } = ports;
  const ceiling = openFilesMax === undefined ? Number.POSITIVE_INFINITY : sessionsWithin(openFilesMax);
  // Nobody develops with thousands of sessions.
  if (ceiling < limits.connections && mode === "production") {
    log.event("sessions-limited", { open_files: openFilesMax, connections: limits.connections, sessions: ceiling });
  }
  const dropped = new DroppedConnections(log, clock);
  return new ConnectionLimits(limits, clock, { ceiling, dropped: (address, reason) => dropped.note(address, reason) });
}

async function openCertificates(
  { settings, mode, startTls = true }: ServerPlan,
  { files, clock, log }: ServerPorts,
): Promise<CertificateStore> {
  const offered =
    mode === "production" || startTls || listenerOptions(settings, true).some(({ kind }) => hasImplicitTls(kind));
  const { data_dir: dataDirectory, hostname } = settings;
  try {
    return await CertificateStore.open({
      paths: certificatePaths(settings),
      offered,
      dataDirectory,
      hostname,
      files,
      clock,
      log,
    });
  } catch (error) {
    if (error instanceof CertificateError)
      throw new StartError("start-certificate", "tls", error.message, { cause: error });
    throw error;
  }
}

async function openInbound(
  { settings, mode, startTls = true }: ServerPlan,
  { network }: ServerPorts,
  services: InboundServices,
): Promise<Inbound> {
  const development = mode === "development";
  const listeners = listenerOptions(settings, development).map((listener) =>
    development ? { ...listener, startTls } : listener,
  );
  // Which of several listeners failed is known only to who opens them one by one.
  let opening = 0;
  const watched: Network = {
    connect: (endpoint, options) => network.connect(endpoint, options),
    listen: async (endpoint, options) => {
      const listener = await network.listen(endpoint, options);
      opening++;
      return listener;
    },
  };
  try {
    return await Inbound.open({ ...services, network: watched }, inboundSettings(settings), listeners);
  } catch (error) {
    if (error instanceof ListenerError)
      throw new StartError("start-address-refused", "listener", error.message, { cause: error });
    const failed = listeners[opening];
    throw failed ? startError(error, `${failed.kind} listener`, failed.endpoint) : error;
  }
}

async function openHttp(
  ports: ServerPorts,
  part: string,
  endpoint: Endpoint,
  fetch: Parameters<ServerPorts["serveHttp"]>[1],
): Promise<HttpServer> {
  try {
    return await ports.serveHttp(endpoint, fetch);
  } catch (error) {
    throw startError(error, part, endpoint);
  }
}

/** What the network says when an address cannot be had, as a sentence; anything else stays what it is. */
function startError(error: unknown, part: string, endpoint: Endpoint): unknown {
  if (!(error instanceof NetworkError)) return error;
  const place = formatListenAddress(endpoint);
  if (error.code === "EADDRINUSE") {
    return new StartError("start-address-in-use", part, `${place} is taken (${part})`, { cause: error });
  }
  const why =
    error.code === "EACCES" ? "this user may not listen there; ports below 1024 need a capability" : error.message;
  return new StartError("start-address-refused", part, `${place} cannot be listened on (${part}): ${why}`, {
    cause: error,
  });
}

function retentionLimits({ inbox: { messages, keep } }: Settings): RetentionLimits {
  return { messages, keepMs: keep };
}
