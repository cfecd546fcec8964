/** Our server as it stands between strangers and others: checks what comes, signs what leaves, asks a DNS of the test. */
import assert from "node:assert/strict";
import { declared, type DkimKey } from "./dkim-keys.ts";
import type { TestDns } from "./dns.ts";
import { copiesOf, storedMessages, type TestMessage } from "./messages.ts";
import { type PosthasteServer, startPosthaste } from "./posthaste.ts";
import { freePort } from "./free-port.ts";
import { until } from "./program.ts";

export interface CheckingServer extends AsyncDisposable {
  readonly port: number;
  /** TLS at once, a login needed. */
  readonly submissionsPort: number;
  readonly server: PosthasteServer;
  /** Each message as the mailbox of box@local.test has it, as soon as all are there; Junk is looked into, too. */
  stored(messages: readonly TestMessage[]): Promise<readonly string[]>;
}

/** Hostname mail.local.test, mailbox box@local.test; everything for others goes to `nextPort`. Resolves when keys sign. */
export async function startCheckingServer(options: {
  readonly dns: TestDns;
  readonly keys?: readonly DkimKey[];
  readonly nextPort?: number;
  /** Whether clients on loopback may relay, and are no strangers. */
  readonly relay?: boolean;
  /** Routes among them come before the one to `nextPort`. */
  readonly settings?: string;
  /** Where strangers connect; by default a free one. */
  readonly port?: number;
}): Promise<CheckingServer> {
  const { dns, keys = [], nextPort = 9, relay = false, settings = "" } = options;
  const port = options.port ?? (await freePort());
  const submissionsPort = await freePort();
  const server = await startPosthaste({
    ports: [port, submissionsPort],
    hostname: "mail.local.test",
    configuration: `
      [[listener]]
      kind = "mx"
      listen = "127.0.0.1:${port}"
      [[listener]]
      kind = "submissions"
      listen = "127.0.0.1:${submissionsPort}"
      [[domain]]
      name = "local.test"
      [[user]]
      address = "box@local.test"
      [[route]]
      domain = "local.test"
      via = "maildir"
      ${settings}
      [[route]]
      domain = "*"
      via = "relay"
      host = "127.0.0.1:${nextPort}"
      [dns]
      servers = ["${dns.address}"]
      [relay]
      networks = [${relay ? '"127.0.0.0/8"' : ""}]
      [admin]
      listen = "127.0.0.1:${await freePort()}"
      ${keys.map(declared).join("")}
    `,
  });
  const lines = () => server.program.output().split("\n");
  for (const { domain, selector } of keys) {
    const signs = (line: string) =>
      /"dkim-key-(?:active|returned)"/.test(line) && line.includes(`"${domain}"`) && line.includes(`"${selector}"`);
    await until(`the key ${selector} of ${domain}`, () => lines().some(signs), server.program);
  }
  const box = `${server.dataFolder}/mail/local.test/box`;
  return {
    port,
    submissionsPort,
    server,
    async stored(messages) {
      const all = () => [...storedMessages(box), ...storedMessages(`${box}/.Junk`)];
      const arrived = () => messages.every((message) => copiesOf(message, all()).length > 0);
      await until(`${messages.length} messages`, arrived, server.program);
      const files = all();
      return messages.map((message) => {
        const copies = copiesOf(message, files);
        assert.equal(copies.length, 1, `${message.token} arrived ${copies.length} times`);
        return copies[0]?.toString("latin1") ?? "";
      });
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** The fields of that name, unfolded, topmost first. */
export function fieldsNamed(message: string, name: string): readonly string[] {
  const header = message.replaceAll("\r\n", "\n").split("\n\n", 1)[0] ?? "";
  return header
    .replaceAll(/\n[ \t]+/g, " ")
    .split("\n")
    .filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    .map((line) => line.slice(name.length + 1).trim());
}
