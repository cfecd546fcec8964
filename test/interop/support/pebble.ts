/** Debian's ACME test server, with the DNS server that comes with it: it asks for every name here, and finds 127.0.0.1. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CertificateAuthority } from "../../../src/testing/certificate-authority.ts";
import { freePort } from "./free-port.ts";
import { type Program, startProgram, untilListening } from "./program.ts";

export interface Pebble extends AsyncDisposable {
  readonly directory: string;
  /** PEM of the authority of its HTTPS. */
  readonly ca: string;
  /** Where it looks for proofs. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** A program for `hook`. */
  readonly hook: readonly string[];
  readonly program: Program;
}

export const externalAccount = {
  kid: "kid-1",
  key: "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W",
};

/** `nonceRejects`: percent of the requests. */
export async function startPebble(
  folder: string,
  {
    nonceRejects,
    externalAccountRequired,
  }: { readonly nonceRejects: number; readonly externalAccountRequired: boolean },
): Promise<Pebble> {
  const ports = await Promise.all(Array.from({ length: 5 }, () => freePort()));
  const [port = 0, managementPort = 0, httpPort = 0, tlsPort = 0, dnsControl = 0] = ports;
  const dnsPort = await freeUdpPort();
  const now = Date.now();
  const authority = new CertificateAuthority(now);
  const days = { validFrom: now - 86_400_000, validTo: now + 86_400_000 };
  const { certificatePem, keyPem } = authority.pair({ names: ["localhost"], ...days });
  const files = { certificate: join(folder, "pebble.pem"), privateKey: join(folder, "pebble.key") };
  await writeFile(files.certificate, certificatePem);
  await writeFile(files.privateKey, keyPem);
  const pebble = {
    ...files,
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${managementPort}`,
    httpPort,
    tlsPort,
    ocspResponderURL: "",
    externalAccountBindingRequired: externalAccountRequired,
    externalAccountMACKeys: { [externalAccount.kid]: externalAccount.key },
  };
  const config = join(folder, "pebble.json");
  await writeFile(config, JSON.stringify({ pebble }));
  const off = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""];
  const dns = startProgram("pebble-challtestsrv", [
    ...["-dns01", `127.0.0.1:${dnsPort}`, "-management", `127.0.0.1:${dnsControl}`],
    ...off,
  ]);
  const env = { ...process.env, PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: String(nonceRejects) };
  const program = startProgram("pebble", ["-config", config, "-dnsserver", `127.0.0.1:${dnsPort}`], { env });
  await untilListening(dnsControl, dns);
  await untilListening(port, program);
  return {
    directory: `https://localhost:${port}/dir`,
    ca: authority.rootPem,
    ...{ httpPort, tlsPort, program },
    hook: [process.execPath, "--eval", hookScript(dnsControl), "--"],
    [Symbol.asyncDispose]: async () => {
      await program.stop();
      await dns.stop();
    },
  };
}

/** {@link freePort} reserves its ports with sockets of UDP. */
async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

function hookScript(control: number): string {
  return `
    const [verb, name, value] = process.argv.slice(1);
    const path = verb === "add" ? "set-txt" : "clear-txt";
    const body = JSON.stringify({ host: name + ".", value });
    fetch("http://127.0.0.1:${control}/" + path, { method: "POST", body }).then(({ ok }) => process.exit(ok ? 0 : 1));
  `;
}
