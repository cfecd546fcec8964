/**
 * Ports for programs that must be told theirs before they listen. Two listeners never get the same one: a port stays
 * reserved for as long as this process lives, against other processes that ask here at the same time, and it lies below
 * those that the system gives to outgoing connections.
 */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

const lowest = 10_240;
/** Of macOS and Windows: 49152 (RFC 6335 §6); of Linux: 32768 unless its settings say otherwise. */
const usualFirstEphemeral = 32_768;
/** With a thousand reserved ports, one try in twenty finds one of them. */
const triesMax = 500;

export async function freePort(): Promise<number> {
  const end = firstEphemeral();
  for (let tries = 0; tries < triesMax; tries++) {
    const port = randomInt(lowest, end);
    // The other order would listen for an instant on a port that was handed out already.
    if ((await reserve(port)) && (await nobodyListens(port))) return port;
  }
  throw new Error(`no free port between ${lowest} and ${end}`);
}

function firstEphemeral(): number {
  try {
    const [first] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "latin1").split(/\s/);
    return Math.max(lowest + 1000, Number(first));
  } catch {
    return usualFirstEphemeral;
  }
}

/** By the UDP port of the same number, which is in no TCP listener's way. */
function reserve(port: number): Promise<boolean> {
  const socket = createSocket("udp4");
  return new Promise((resolve) => {
    socket.once("error", () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ port, address: "127.0.0.1", exclusive: true }, () => {
      socket.unref();
      resolve(true);
    });
  });
}

function nobodyListens(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    // On every address: a listener on one of them would be in the way.
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
