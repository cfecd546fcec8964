/**
 * Everything that a command may touch, given by `main.ts`: commands themselves know of no process, so tests run them
 * against memory.
 */
import type { ConfigSources } from "../config/load-settings.ts";
import type { DnsSettings } from "../config/server-settings.ts";
import type { Settings } from "../config/settings-schema.ts";
import type { Instant } from "../lib/instant.ts";
import type { CertificatePair, JudgeCertificate } from "../ports/certificates.ts";
import type { Clock } from "../ports/clock.ts";
import type { ServiceClient } from "../ports/service-client.ts";
import type { Network } from "../ports/network.ts";
import type { ProgramEnd, TemporaryFolder } from "../ports/programs.ts";
import type { Random } from "../ports/random.ts";
import type { PolicyFetcher } from "../ports/policy-fetcher.ts";
import type { Resolver } from "../ports/resolver.ts";
import type { RunningServer, ServerPlan } from "./running-server.ts";

export interface TextOutput {
  readonly isTerminal: boolean;
  /** Width; 80 where it is not known. */
  readonly columns: number;
  write(text: string | Uint8Array): void;
}

export interface TextInput {
  readonly isTerminal: boolean;
  /** Everything up to the end; rejects when it is more than `bytesMax`. */
  readAll(bytesMax: number): Promise<Uint8Array>;
  /** Asks on the terminal; with `hidden` nothing of the answer is shown. Only called on a terminal. */
  ask(question: string, options?: { readonly hidden?: boolean }): Promise<string>;
}

/** The API of a server: the running one's over its control socket, or the same one over a spool that no server holds. */
export interface ServerApi extends AsyncDisposable {
  readonly running: boolean;
  request(path: string, init?: { readonly method?: string; readonly json?: unknown }): Promise<Response>;
}

export interface ServerTarget {
  readonly dataDir: string;
  /** Where a configuration was named or found. */
  readonly settings?: Settings;
  /** Where nothing has run yet, the spool is made. */
  readonly mayCreate?: boolean;
  /** Without a server the command fails: the spool alone cannot answer, and must not be locked against a server's start. */
  readonly serverOnly?: boolean;
}

/** What a damaged spool still had, and what it has lost. */
export interface SalvagedSpool {
  readonly pages: number;
  readonly damagedPages: readonly { readonly page: number; readonly table: string; readonly reason: string }[];
  readonly logLoss: string | undefined;
  readonly kept: Readonly<
    Record<"messages" | "recipients" | "scheduled" | "held" | "events" | "records" | "captured", number>
  >;
  readonly lost: readonly { readonly message: string; readonly what: string }[];
  readonly held: readonly { readonly message: string; readonly recipients: number; readonly reason: string }[];
  readonly remains: readonly string[];
  readonly nothingLost: boolean;
}

export interface CliContext extends ConfigSources {
  readonly version: string;
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly stdin: TextInput;
  readonly workingDirectory: string;
  readonly processId: number;
  /** Throws where there is none, and none can be made. */
  readonly homeDirectory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  /** Addresses of this machine. */
  readonly interfaceAddresses: () => readonly string[];
  /** Asks the servers of the configuration meant (`dns.servers`), or else the system's. */
  readonly resolver: (dns?: Partial<DnsSettings>) => Resolver;
  /** HTTPS to hosts whose addresses this resolver gives. */
  readonly policyFetcher: (resolver: Resolver) => PolicyFetcher;
  /** HTTPS to services of the configuration; likewise. */
  readonly serviceClient: (resolver: Resolver) => ServiceClient;
  readonly judgeCertificate: JudgeCertificate;
  /** A new key and a self-signed certificate with which a device signs in as `address`. */
  readonly makeClientCertificate: (
    address: string,
    options: { readonly days: number; readonly now: Instant },
  ) => CertificatePair;
  /** What is kept in place of a password. Rejects with `AccountError`. */
  readonly makeVerifier: (password: string, kind: "argon2id" | "scram") => Promise<string>;
  /** Rejects with `CliError` when there is neither server nor spool. */
  readonly serverApi: (target: ServerTarget) => Promise<ServerApi>;
  /**
   * Takes a spool that no server holds back to the format `target`, or one back. Rejects with `CliError` or `StartError`
   * when that cannot be.
   */
  readonly downgradeSpool: (
    dataDir: string,
    target: number | undefined,
  ) => Promise<{ readonly from: number; readonly to: number }>;
  /** Looks at a spool that no server holds, page by page. Rejects as `downgradeSpool` does. */
  readonly checkSpool: (
    dataDir: string,
    progress: (done: number, all: number) => void,
  ) => Promise<{
    readonly pages: number;
    readonly messages: number;
    readonly recipients: number;
    readonly faults: readonly string[];
    readonly badPages: readonly { readonly page: number; readonly table: string; readonly reason: string }[];
    readonly damaged: readonly { readonly message: string; readonly lost: string }[];
  }>;
  /** Makes a new spool in `to` of what the one that no server holds still has. Rejects as `downgradeSpool` does. */
  readonly salvageSpool: (
    dataDir: string,
    options: { readonly to: string; readonly logLost: boolean },
    progress: (done: number, all: number, what: string) => void,
  ) => Promise<SalvagedSpool>;
  /** Rejects with `CliError` for what people can mend: ports taken, a data_dir in use. */
  readonly startServer: (plan: ServerPlan) => Promise<RunningServer>;
  /**
   * Runs a program with our input and output until it ends, and gives its exit code as shells count it. `interrupted` is
   * passed on to it.
   */
  readonly runProgram: (words: readonly string[], environment: Readonly<Record<string, string>>) => Promise<ProgramEnd>;
  /** A new private folder, removed with all that is in it when it is disposed of. */
  readonly temporaryFolder: () => Promise<TemporaryFolder>;
  /** Aborts at the first SIGINT or SIGTERM. A second one ends the process. */
  readonly interrupted: AbortSignal;
  /** Calls back at each SIGHUP. */
  readonly onHangup: (callback: () => void) => void;
}
