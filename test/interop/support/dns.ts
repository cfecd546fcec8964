/**
 * A DNS of our own for programs that only ask the system's resolver: they run in a mount namespace whose
 * /etc/resolv.conf names it. It listens on port 53 of a loopback address that no other test has. Needs root.
 */
import { writeFileSync } from "node:fs";
import { TableDnsServer } from "../../../bench/auth/dns-server.ts";
import { Folder } from "./folder.ts";
import { type Program, runProgram, startProgram } from "./program.ts";

export interface TestDns extends AsyncDisposable {
  /** As `dns.servers` has it. */
  readonly address: string;
  /** Of `TXT example.org` and the like; what is put in or removed shows at once. */
  readonly records: Map<string, readonly string[]>;
  /** As `runProgram` and `startProgram` in program.ts. */
  run(command: string, args: readonly string[], input?: string | Buffer): ReturnType<typeof runProgram>;
  start(command: string, args: readonly string[]): Program;
}

let count = 0;

export async function startTestDns(records: Iterable<readonly [string, readonly string[]]>): Promise<TestDns> {
  const folder = new Folder();
  const table = new Map(records);
  const host = `127.${100 + (++count % 100)}.${(process.pid >> 8) & 255}.${process.pid & 255}`;
  const server = await TableDnsServer.start(table, { address: host, port: 53 });
  const resolver = folder.file("resolv.conf");
  writeFileSync(resolver, `nameserver ${host}\noptions timeout:2 attempts:2\n`);
  const within = (command: string, args: readonly string[]) => [
    ...["--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"'],
    ...[resolver, command, ...args],
  ];
  return {
    address: server.address,
    records: table,
    run: (command, args, input = "") => runProgram("unshare", within(command, args), { input }),
    start: (command, args) => startProgram("unshare", within(command, args)),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}
