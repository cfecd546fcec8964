/**
 * The ports of a server that runs on this machine: real time, network, files, DNS, threads, and the spool on disk. What only
 * a server needs is loaded when it is asked for, since commands that start none should answer at once.
 */
import { networkInterfaces } from "node:os";
import { StartError } from "../../cli/running-server.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { DataDirInUse, lockDataDir } from "../../node/files/data-dir-lock.ts";
import { NodeFiles } from "../../node/files/node-files.ts";
import { NodeNetwork } from "../../node/network/node-network.ts";
import { packageVersion } from "../../node/process/package-version.ts";
import { SystemClock } from "../../node/process/system-clock.ts";
import { SystemRandom } from "../../node/process/system-random.ts";
import type { SqliteSpool, SqliteSpoolOptions } from "../../node/spool/sqlite-spool.ts";
import { formatVersion } from "../../node/spool/schema.ts";
import { ThreadPoolCrypto } from "../../node/threads/thread-pool-crypto.ts";
import type { Clock } from "../../ports/clock.ts";
import { FileError, type Files } from "../../ports/files.ts";
import type { Log } from "../../ports/log.ts";
import type { NetworkError } from "../../ports/network.ts";
import type { Random } from "../../ports/random.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { SpoolError } from "../../spool/spool.ts";
import { unusableDataDir } from "../store/data-dir.ts";
import type { ServerPorts } from "./server-ports.ts";

/** SQLite's words, which are all that comes from the spool's thread: the file belongs to another user, or its disk is read-only. */
const notPermitted = /readonly database|unable to open database|permission denied|read-only file system/i;
const acceptFailedEveryMs = 10_000;

export interface NodePortsOptions {
  readonly log: Log;
  /**
   * A thread of the spool has ended by itself: nothing can be accepted or recorded any more. Whoever runs the server best
   * starts it again, on all that it acknowledged.
   */
  readonly onSpoolGone: (error: Error) => void;
}

/** Opens nothing by itself; `createServer` does. */
export async function nodePorts({ dns }: Settings, { log, onSpoolGone }: NodePortsOptions): Promise<ServerPorts> {
  const [
    { serveHttp },
    { NodePolicyFetcher },
    { NodeReportPoster },
    { servePolicies },
    { NodeHttpClient },
    { serveAlpnChallenges },
    { runHook },
    { NodeServiceClient },
    { openFilesLimit },
    { NodeMeasures },
    { openReadingThread },
    { openReportThread },
    { openMaildirThreads },
  ] = await Promise.all([
    import("../../node/http/http-server.ts"),
    import("../../node/http/node-policy-fetcher.ts"),
    import("../../node/http/node-report-poster.ts"),
    import("../../node/http/policy-server.ts"),
    import("../../node/http/node-http-client.ts"),
    import("../../node/tls/alpn-challenge-server.ts"),
    import("../../node/process/run-hook.ts"),
    import("../../node/http/node-service-client.ts"),
    import("../../node/process/open-files-limit.ts"),
    import("../../node/process/node-measures.ts"),
    import("../http-side/open-reading-thread.ts"),
    import("../sending/open-report-thread.ts"),
    import("../sending/open-maildir-threads.ts"),
  ]);
  const clock = new SystemClock();
  const random = new SystemRandom();
  const files = new NodeFiles();
  const resolver = await nodeResolver(dns, { log, clock, random, files });
  const openFilesMax = await openFilesLimit(files);
  return {
    version: packageVersion(),
    ...(openFilesMax !== undefined && { openFilesMax }),
    measures: new NodeMeasures(),
    clock,
    random,
    crypto: new ThreadPoolCrypto(clock),
    network: new NodeNetwork({ onListenerError: tellAcceptFailed(log, clock) }),
    files,
    resolver,
    policyFetcher: new NodePolicyFetcher({ resolver }),
    reportPoster: new NodeReportPoster({ resolver }),
    serviceClient: new NodeServiceClient({ resolver }),
    log,
    interfaceAddresses,
    acme: {
      http: (certificateAuthorities) => new NodeHttpClient({ resolver, certificateAuthorities }),
      serveAlpn: serveAlpnChallenges,
      runHook,
    },
    lock: lockOrExplain,
    openSpool: (directory) => openSpoolOrExplain({ directory, clock, files, log, onThreadGone: onSpoolGone }),
    reportWork: openReportThread(),
    maildirs: openMaildirThreads(clock),
    reading: openReadingThread(),
    servePolicies,
    serveHttp,
  };
}

/** Addresses of this machine, as they are now. */
export function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .map(({ address }) => address);
}

/** `servers` absent: the system's. `trusted`: see the settings. */
export async function nodeResolver(
  { servers, trusted = false }: { readonly servers?: readonly string[] | undefined; readonly trusted?: boolean },
  ports: { readonly log: Log; readonly clock: Clock; readonly random: Random; readonly files: Files },
): Promise<Resolver> {
  const { DnsResolver } = await import("../../node/dns/dns-resolver.ts");
  const { parseDnsServer, systemDnsServers } = await import("../../node/dns/dns-servers.ts");
  const { socketTransport: transport } = await import("../../node/dns/dns-transport.ts");
  const { files, ...rest } = ports;
  const configured = servers?.flatMap((text) => parseDnsServer(text) ?? []);
  return new DnsResolver({
    servers: configured ?? (await systemDnsServers(files)),
    transport,
    trustAd: trusted,
    ...rest,
  });
}

/** Throws {@link StartError}. */
export function lockOrExplain(dataDir: string): { release(): void } {
  try {
    return lockDataDir(dataDir);
  } catch (error) {
    if (error instanceof DataDirInUse)
      throw new StartError("start-data-dir-in-use", "data_dir", error.message, { cause: error });
    throw unusableDataDir(dataDir, (error as Error).message, error);
  }
}

/** Rejects with {@link StartError} where people can mend it. */
export async function openSpoolOrExplain(options: SqliteSpoolOptions): Promise<SqliteSpool> {
  const { openSqliteSpool } = await import("../../node/spool/open-sqlite-spool.ts");
  try {
    return await openSqliteSpool(options);
  } catch (error) {
    const { directory } = options;
    if (error instanceof FileError || (error instanceof Error && notPermitted.test(error.message))) {
      throw unusableDataDir(directory, `a file of the spool in it: ${(error as Error).message}`, error);
    }
    if (!(error instanceof SpoolError) || error.code !== "newer-format") throw error;
    const back = `posthaste spool downgrade --to ${formatVersion}`;
    const message = `${error.message}. Start the newer Posthaste, or take the spool back with it: ${back}`;
    throw new StartError("start-spool-newer", "data_dir", message, { cause: error });
  }
}

/** While files are short this happens at every attempt to accept; once in a while says it all. */
function tellAcceptFailed(log: Log, clock: Clock): (error: NetworkError) => void {
  let toldAtMs = Number.NEGATIVE_INFINITY;
  return ({ code, message }) => {
    const now = clock.monotonicMs();
    if (now - toldAtMs < acceptFailedEveryMs) return;
    toldAtMs = now;
    log.event("accept-failed", { code, error: message });
  };
}
