/** Who brings a message: what is known of it, how far it is trusted, and who hears what is found on the way. */
import type { Client } from "../policy/client.ts";
import type { Log } from "../ports/log.ts";
import type { MessageOrigin } from "../spool/spool.ts";
import type { Letter, WithLetter } from "./letter.ts";

export type Origin = ClientOrigin | OwnOrigin;

/**
 * - `stranger`: nothing is known of it, so that it is checked who sent the message;
 * - `known`: a program or server that passes mail on to us, over LMTP or a unix socket, or that has logged in;
 * - `relay`: in a network whose mail we relay, and sign;
 * - `submitter`: submits mail of its own, which we complete and sign.
 */
export type ClientTrust = "stranger" | "known" | "relay" | "submitter";

/** A client that hands mail in, by whatever protocol. */
export interface ClientOrigin {
  /** As they are stored with the message. */
  readonly facts: MessageOrigin;
  readonly trust: ClientTrust;
  /** As policies see it. */
  readonly client: Client;
  /** BDAT brings line ends as they are; DATA's decoder has seen to them. */
  readonly checkLineEnds: boolean;
  /** Nobody is asked for a login, and hidden recipients stay readable. */
  readonly development?: true;
  /** Bears what the client's other lines bear. */
  readonly log: Log;
  readonly memory: MessageMemory;
}

/** We made the message ourselves: it is signed, and whoever made it hears of trouble, not a log. */
export interface OwnOrigin extends WithLetter {
  readonly trust: "ourselves";
  readonly facts: MessageOrigin;
  readonly letter: Letter;
}

/** What the message in the making takes of its client's share of memory. */
export interface MessageMemory {
  /** Counts octets that stay in memory, such as an answer of DNS; false: there is no room for them. */
  hold(octets: number): boolean;
  /** The message is stored or void. What comes later is kept by nobody, and not counted. */
  release(): void;
}
