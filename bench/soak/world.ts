/** The server under test with everything around it: DNS, next hops, keys, mailboxes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ThreadPoolCrypto } from "../../src/node/threads/thread-pool-crypto.ts";
import { SystemClock } from "../../src/node/process/system-clock.ts";
import { testKey } from "../../src/testing/test-crypto.ts";
import { startPosthaste, type PosthasteServer } from "../../test/interop/support/posthaste.ts";
import { freePort } from "../../test/interop/support/free-port.ts";
import { TableDnsServer } from "../auth/dns-server.ts";
import { recordsOf } from "../auth/messages.ts";
import type { ProbeLine } from "./event-loop-probe.ts";
import type { Ledger } from "./ledger.ts";
import { type Doors, relayAddress } from "./load.ts";
import { Mailboxes } from "./mailboxes.ts";
import { domainCount, localDomain, localUsers, senderDomain } from "./mix.ts";
import { startNextHop } from "./next-hops.ts";

const password = "of no use elsewhere";
const client = "127.0.0.1";

export interface World extends AsyncDisposable {
  readonly server: PosthasteServer;
  readonly doors: Doors;
  /** Whether the faulty next hop is. */
  faulty: boolean;
  /** What the probe wrote since the last call. */
  takeProbe(): readonly ProbeLine[];
  /** On the admin API; the answer's JSON. */
  ask(method: "GET" | "POST", path: string): Promise<unknown>;
}

export async function startWorld(ledger: Ledger): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const state = { faulty: true };
  const came = (content: Buffer, report: boolean) => ledger.came(content, report);
  const hop = opened.use(await startNextHop({ came, faulty: () => false }));
  const faultyHop = opened.use(await startNextHop({ came, faulty: () => state.faulty }));
  const dns = opened.use(await TableDnsServer.start(dnsRecords()));
  const folder = mkdtempSync(path.join(tmpdir(), "posthaste-soak-"));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const keyFile = path.join(folder, "key.pem");
  writeFileSync(keyFile, testKey("rsa"), { mode: 0o600 });
  const probeFile = path.join(folder, "probe");
  process.env["SOAK_PROBE"] = probeFile;

  const [mx, submission, admin] = [await freePort(), await freePort(), await freePort()];
  const hash = await new ThreadPoolCrypto(new SystemClock()).hashPassword(password);
  const server = opened.use(
    await startPosthaste({
      ports: [mx, submission],
      nodeOptions: ["--import", path.join(import.meta.dirname, "event-loop-probe.ts")],
      configuration: configuration({
        mx,
        submission,
        admin,
        hash,
        keyFile,
        dns: dns.address,
        hop: hop.port,
        faulty: faultyHop.port,
      }),
    }),
  );
  const mailboxes = new Mailboxes(path.join(server.dataFolder, "mail", localDomain), came);
  const emptying = setInterval(() => mailboxes.empty(), 500);
  opened.defer(() => clearInterval(emptying));

  let probed = 0;
  const resources = opened.move();
  return {
    server,
    doors: { mx, submission, login: { user: `ann@${localDomain}`, password } },
    get faulty() {
      return state.faulty;
    },
    set faulty(value) {
      state.faulty = value;
    },
    takeProbe() {
      const lines = readFileSync(probeFile, "utf8").split("\n").slice(0, -1);
      const fresh = lines.slice(probed).map((line) => JSON.parse(line) as ProbeLine);
      probed = lines.length;
      return fresh;
    },
    async ask(method, apiPath) {
      // A kept connection would be to the process before a restart.
      const headers = { connection: "close", authorization: `Bearer ${server.adminToken()}` };
      const response = await fetch(`http://127.0.0.1:${admin}/api/v1${apiPath}`, { method, headers });
      const json: unknown = await response.json();
      if (!response.ok) throw new Error(`${apiPath}: ${response.status} ${JSON.stringify(json)}`);
      return json;
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

function dnsRecords(): ReadonlyMap<string, readonly string[]> {
  const records = new Map<string, readonly string[]>([
    ["PTR 1.0.0.127.in-addr.arpa", ["mail.example"]],
    ["A mail.example", [client]],
  ]);
  for (let index = 0; index < domainCount; index++) {
    for (const [name, text] of recordsOf(senderDomain(index), client)) records.set(`TXT ${name}`, [text]);
  }
  return records;
}

/**
 * Retries in seconds, so that what is deferred comes and goes within the run. History of two minutes: what is older is
 * removed at the restart and every hour, so that removing is part of the load.
 */
function configuration(values: {
  readonly mx: number;
  readonly submission: number;
  readonly admin: number;
  readonly hash: string;
  readonly keyFile: string;
  readonly dns: string;
  readonly hop: number;
  readonly faulty: number;
}): string {
  const users = localUsers.map(
    (user) => `
      [[user]]
      address = "${user}@${localDomain}"
      password = '${values.hash}'`,
  );
  const signers = [localDomain, "posthaste.test"].map(
    (domain) => `
      [[dkim.key]]
      domain = "${domain}"
      selector = "soak"
      key = { file = "${values.keyFile}" }`,
  );
  return `
      stop_within = "5s"
      [[listener]]
      kind = "mx"
      listen = "127.0.0.1:${values.mx}"
      [[listener]]
      kind = "submission"
      listen = "127.0.0.1:${values.submission}"
      [relay]
      networks = ["${relayAddress}/32"]
      [dns]
      servers = ["${values.dns}"]
      [dkim]
      require_published = false
      ${signers.join("")}
      [[domain]]
      name = "${localDomain}"
      ${users.join("")}
      [reports]
      address = "reports@${localDomain}"
      [[alias]]
      address = "forward@${localDomain}"
      to = ["somebody@elsewhere.test"]
      [[route]]
      domain = "faulty.test"
      via = "relay"
      host = "127.0.0.1:${values.faulty}"
      [[route]]
      domain = "${localDomain}"
      via = "maildir"
      [[route]]
      domain = "*"
      via = "relay"
      host = "127.0.0.1:${values.hop}"
      [queue]
      retry = ["2s", "4s", "8s", "15s"]
      [history]
      keep = "2m"
      [outbound.timeout]
      greeting = "5s"
      hello = "5s"
      mail = "5s"
      recipient = "5s"
      data = "5s"
      end_of_data = "10s"
      [log]
      level = "error"
      [admin]
      listen = "127.0.0.1:${values.admin}"
    `;
}
