/** What an attack is to the command that runs it. */
import type { AttackedServer } from "./attacked-server.ts";
import { attacker, serverAddress } from "./networks.ts";
import { Peer } from "./peer.ts";

export interface Setting {
  readonly server: AttackedServer;
  /** The attack goes on for so long. */
  readonly durationMs: number;
  /** 1 in the short form, more in the long one: multiplies how many attack at once. */
  readonly scale: number;
  /** Port of the hostile mail server. */
  readonly hostilePort: number;
}

export interface Attack {
  readonly name: string;
  /** Gives what was seen, in a few words; throws {@link Breach} where the server did what it must not do. */
  readonly run: (setting: Setting) => Promise<string>;
}

/** The server did what no attacker may bring it to. */
export class Breach extends Error {}

/** A connection from a network that nobody has come from before; it outlives the attack by a second at most. */
export function stranger(
  { server, durationMs }: Pick<Setting, "server" | "durationMs">,
  door: keyof AttackedServer["doors"],
): Promise<Peer> {
  const tls = door === "submissions";
  return Peer.open({ host: serverAddress, port: server.doors[door], from: attacker(), tls, lifeMs: durationMs + 1000 });
}

/** `act` again and again, by so many at once, until the time is over; gives how often. */
export async function repeatedly(atOnce: number, durationMs: number, act: () => Promise<void>): Promise<number> {
  const endMs = performance.now() + durationMs;
  let count = 0;
  const one = async (): Promise<void> => {
    while (performance.now() < endMs) {
      await act();
      count++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return count;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
