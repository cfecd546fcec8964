/** The real server as a process of its own, with a door of each kind and a mailbox that honest mail goes to. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { residentBytes } from "../../bench/scale/resident-memory.ts";
import { SystemClock } from "../../src/node/process/system-clock.ts";
import { ThreadPoolCrypto } from "../../src/node/threads/thread-pool-crypto.ts";
import { freePort } from "../interop/support/free-port.ts";
import { type PosthasteServer, startPosthaste } from "../interop/support/posthaste.ts";
import { hasNamespace, hostileAddress, insideAddress, serverAddress } from "./networks.ts";

export const login = { user: "ann@example.org", password: "correct horse battery" } as const;

export interface AttackedServerOptions {
  /** As the shell says it: `ulimit -n 256`. */
  readonly limit?: string;
  /** Of the `[limits]` section. */
  readonly limits?: string;
  /** Port of the hostile mail server that mail for evil.test goes to. */
  readonly hostilePort?: number;
}

export interface Doors {
  readonly mx: number;
  readonly submission: number;
  readonly submissions: number;
}

export class AttackedServer implements AsyncDisposable {
  readonly doors: Doors;
  readonly #posthaste: PosthasteServer;

  private constructor(posthaste: PosthasteServer, doors: Doors) {
    this.#posthaste = posthaste;
    this.doors = doors;
  }

  static async start(options: AttackedServerOptions = {}): Promise<AttackedServer> {
    const doors = { mx: await freePort(), submission: await freePort(), submissions: await freePort() };
    const posthaste = await startPosthaste({
      ports: Object.values(doors),
      configuration: await configuration(doors, options),
      hostname: "mail.example.org",
      wrap: ["sh", "-c", `${options.limit ?? ":"} && exec "$@"`, "sh"],
    });
    return new AttackedServer(posthaste, doors);
  }

  get residentMegabytes(): number {
    return Math.round(residentBytes(this.#posthaste.program.child.pid ?? 0) / 1e6);
  }

  /** Messages in the mailbox. */
  get delivered(): number {
    const mailbox = join(this.#posthaste.dataFolder, "mail/example.org/ann");
    return ["new", ".Junk/new"].reduce((sum, folder) => sum + countOf(join(mailbox, folder)), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#posthaste[Symbol.asyncDispose]();
  }
}

function countOf(folder: string): number {
  try {
    return readdirSync(folder).length;
  } catch {
    // Not made before the first message.
    return 0;
  }
}

async function configuration(doors: Doors, { limits = "", hostilePort = 9 }: AttackedServerOptions): Promise<string> {
  const hash = await new ThreadPoolCrypto(new SystemClock()).hashPassword(login.password);
  // In a namespace of its own nobody else can reach it.
  const address = hasNamespace ? "0.0.0.0" : serverAddress;
  const listeners = Object.entries(doors).map(
    ([kind, port]) => `[[listener]]\nkind = "${kind}"\nlisten = "${address}:${port}"\n`,
  );
  return `
    ${listeners.join("\n")}
    [[domain]]
    name = "example.org"
    [[user]]
    address = "${login.user}"
    password = "${hash}"
    [relay]
    networks = ["${insideAddress}/32"]
    [authentication]
    check = false
    [limits]
    ${limits}
    [[route]]
    domain = "evil.test"
    via = "relay"
    host = "${hostileAddress}:${hostilePort}"
    [log]
    level = "warn"
  `;
}
