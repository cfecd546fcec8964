/** `posthaste/node`: the ports of a server on a real machine, together (`nodePorts`) and one by one. */
export { NodeFiles } from "../node/files/node-files.ts";
export { serveHttp } from "../node/http/http-server.ts";
export type { HttpServer } from "../ports/http-server.ts";
export { JsonLog, type JsonLogOptions } from "../node/log/json-log.ts";
export { ReadableLog, type ReadableLogOptions } from "../node/log/readable-log.ts";
export { NodeNetwork, type NodeNetworkOptions } from "../node/network/node-network.ts";
export { SystemClock } from "../node/process/system-clock.ts";
export { SystemRandom } from "../node/process/system-random.ts";
export { openSqliteSpool } from "../node/spool/open-sqlite-spool.ts";
export type { SqliteSpoolOptions } from "../node/spool/sqlite-spool.ts";
export { ThreadPoolCrypto } from "../node/threads/thread-pool-crypto.ts";
export { nodePorts, type NodePortsOptions, nodeResolver } from "../server/plan/node-ports.ts";
