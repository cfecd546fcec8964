/**
 * Listens to what our server sends to mail hosts, below everything that decides: for whom mail leaves, and passwords, each
 * with the certificate of whoever is at the other end, or in clear.
 */
import type { Clock } from "../../src/ports/clock.ts";
import type { Connection, Network } from "../../src/ports/network.ts";
import type { TlsWorld } from "./tls-world.ts";

/** The network, with every connection that is opened tapped. */
export function tapped(network: Network, world: TlsWorld, clock: Clock): Network {
  return {
    listen: (...given) => network.listen(...given),
    connect: async (endpoint, options) => {
      const address = endpoint.kind === "ip" ? endpoint.address : endpoint.path;
      return tappedConnection(await network.connect(endpoint, options), (text, { tls }) => {
        const facts = { at: clock.monotonicMs(), address, certificate: world.certificateOf(tls) };
        for (const [, domain = ""] of text.matchAll(/^RCPT TO:<[^>]*@([^>]*)>/gim)) {
          world.wire.push({ ...facts, what: "recipient", domain });
        }
        if (/^AUTH /im.test(text)) world.wire.push({ ...facts, what: "password", domain: "" });
      });
    },
  };
}

function tappedConnection(connection: Connection, hear: (text: string, connection: Connection) => void): Connection {
  return new Proxy(connection, {
    get: (target, property) => {
      if (property === "write") {
        return (bytes: Uint8Array) => {
          hear(Buffer.from(bytes).toString("latin1"), target);
          return target.write(bytes);
        };
      }
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}
