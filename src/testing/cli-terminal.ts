/** A context in memory for tests of commands: outputs as text, answers given in advance, an API that is a function. */
import { printableOutput } from "../lib/printable-text.ts";
import { ManualClock } from "./manual-clock.ts";
import { MemoryFiles } from "./memory-files.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { SeededRandom } from "./seeded-random.ts";
import { StaticResolver } from "./static-resolver.ts";
import type { ServiceClient } from "../ports/service-client.ts";
import type { CliContext, TextOutput } from "../cli/context.ts";
import { CliError, ExitCode } from "../cli/exit-code.ts";
import { runCli } from "../cli/run.ts";
import { judgeCertificate } from "../node/tls/certificates.ts";

export interface ApiCall {
  readonly path: string;
  readonly method: string;
  readonly json: unknown;
}

export interface TestContextOptions {
  readonly terminal?: boolean;
  readonly answers?: readonly string[];
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly api?: (call: ApiCall) => { readonly status?: number; readonly body: unknown };
  readonly running?: boolean;
  /** Default: there is none. */
  readonly http?: ServiceClient;
  readonly overrides?: Partial<CliContext>;
}

export interface TestRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly questions: readonly string[];
  readonly calls: readonly ApiCall[];
  /** Data directories that the API was asked for. */
  readonly dataDirs: readonly string[];
}

export class TestTerminal {
  readonly files = new MemoryFiles();
  readonly network = new MemoryNetwork();
  readonly resolver = new StaticResolver();
  readonly clock = new ManualClock();
  /** Those that the last command asked; undefined: the system's. */
  dnsServers: readonly string[] | undefined;

  async run(line: string | readonly string[], options: TestContextOptions = {}): Promise<TestRun> {
    const terminal = options.terminal ?? false;
    const [stdout, stderr] = [new Recorder(terminal), new Recorder(terminal)];
    const questions: string[] = [];
    const calls: ApiCall[] = [];
    const dataDirs: string[] = [];
    const answers = [...(options.answers ?? [])];
    const context: CliContext = {
      version: "1.2.3",
      stdout,
      stderr,
      stdin: {
        isTerminal: terminal,
        readAll: () => Promise.resolve(Buffer.from(options.input ?? "")),
        ask: (question) => {
          questions.push(question);
          return Promise.resolve(answers.shift() ?? "");
        },
      },
      environment: options.environment ?? {},
      workingDirectory: "/home/ann",
      processId: 4711,
      runProgram: () => Promise.reject(new Error("no program is run here")),
      temporaryFolder: () => Promise.reject(new Error("no folder is made here")),
      homeDirectory: "/home/ann",
      clock: this.clock,
      random: new SeededRandom(1),
      files: this.files,
      network: this.network,
      interfaceAddresses: () => [],
      resolver: (dns) => {
        this.dnsServers = dns?.servers;
        return this.resolver;
      },
      policyFetcher: () => ({
        fetch: () => Promise.resolve({ kind: "failure", fault: "unreachable", detail: "there is no HTTPS here" }),
      }),
      serviceClient: () => options.http ?? { request: () => Promise.reject(new Error("there is no HTTPS here")) },
      judgeCertificate,
      makeClientCertificate: (address, { days }) => ({
        certificatePem: `certificate of ${address} for ${days} days\n`,
        keyPem: `key of ${address}\n`,
      }),
      makeVerifier: (password, kind) =>
        Promise.resolve(kind === "scram" ? `SCRAM verifier of ${password}` : `verifier of ${password}`),
      importModule: () => Promise.reject(new Error("no modules here")),
      serverApi: ({ dataDir }) => {
        dataDirs.push(dataDir);
        const { api } = options;
        if (!api) return Promise.reject(new CliError(ExitCode.unavailable, "no server"));
        return Promise.resolve({
          running: options.running ?? true,
          request: (path, { method = "GET", json } = {}) => {
            calls.push({ path, method, json });
            const { status = 200, body } = api({ path, method, json });
            return Promise.resolve(new Response(JSON.stringify(body), { status }));
          },
          [Symbol.asyncDispose]: () => Promise.resolve(),
        });
      },
      downgradeSpool: () => Promise.reject(new Error("there is no spool here")),
      checkSpool: () => Promise.reject(new Error("there is no spool here")),
      salvageSpool: () => Promise.reject(new Error("there is no spool here")),
      startServer: () => Promise.reject(new Error("no server is started here")),
      interrupted: new AbortController().signal,
      onHangup: () => undefined,
      ...options.overrides,
    };
    const words = typeof line === "string" ? line.split(" ").filter((word) => word !== "") : line;
    const code = await runCli(words, context);
    return { code, stdout: stdout.text, stderr: stderr.text, questions, calls, dataDirs };
  }
}

class Recorder implements TextOutput {
  readonly isTerminal: boolean;
  readonly columns = 100;
  text = "";

  constructor(isTerminal: boolean) {
    this.isTerminal = isTerminal;
  }

  write(text: string | Uint8Array): void {
    // As main.ts writes it.
    this.text += typeof text === "string" ? printableOutput(text) : Buffer.from(text).toString("latin1");
  }
}
