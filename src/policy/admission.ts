/**
 * What is asked before anything is taken: a place for each connection, room and rate for each message, terms for each
 * commit. One admission answers for a whole server, whose sessions may live in several threads; so what goes in and out is
 * plain data, and each answer may come later. The local one answers at once.
 */
import type { ClaimTerms } from "../spool/spool.ts";
import type { Conduct } from "./bans.ts";
import type { ServerKind } from "../smtp/server/protocol-settings.ts";
import type { Client } from "./client.ts";
import type { Refusal } from "./decision.ts";

/** Never used twice. */
export type ConnectionId = number;

/** A client that has connected. */
export interface Newcomer {
  readonly address: string;
  readonly listener: ServerKind;
  /** In `relay.networks`: counted in the total only. */
  readonly trusted: boolean;
  /** It must finish a TLS handshake before anything can be said. */
  readonly handshake: boolean;
}

/** A connection that has a place, if only to hear why it is refused. */
export interface Entry {
  readonly connection: ConnectionId;
  /** Absent: it is served. */
  readonly refusal?: Refusal;
}

/** `established`: its TLS handshake is done. `spoke`: the client has introduced itself. `left`: it is closed. */
export type ConnectionProgress = "established" | "spoke" | "left";

/** Who holds the connections. */
export interface ConnectionHolder {
  /** Others need its place. `told`: the client hears 421 first, which keeps the connection for a moment. */
  drop(connection: ConnectionId, told: boolean): void;
  /** Since when each client has done nothing, in monotonic milliseconds; undefined: it is being served, or is gone. */
  idleSince(
    connections: readonly ConnectionId[],
  ): readonly (number | undefined)[] | Promise<readonly (number | undefined)[]>;
}

export interface Admission {
  /** Called before the first connection enters. */
  serve(holder: ConnectionHolder): void;
  /** undefined: there is no place, and the connection is to be closed at once. */
  enter(newcomer: Newcomer): Entry | undefined | Promise<Entry | undefined>;
  /** Each may be noted more than once, and of a connection that was dropped. */
  note(connection: ConnectionId, progress: ConnectionProgress): void;
  /** Whether the disk has room for a message; `octets`: announced, 0 when unknown. undefined: it has. */
  roomFor(octets: number): Refusal | undefined | Promise<Refusal | undefined>;
  /** Counts one message of this client. undefined: it is not too many. */
  countMessage(client: Client): Refusal | undefined | Promise<Refusal | undefined>;
  /** Whether the client's network is banned. undefined: it is not. */
  refusalOfBan(client: Client): Refusal | undefined | Promise<Refusal | undefined>;
  /** Counts what a client did for or against its network. Gives how long its reply is kept back, in milliseconds. */
  noteConduct(client: Client, conduct: Conduct): number | Promise<number>;
  /** Counts a recipient elsewhere of a message of this user; both as keys of mailboxes. undefined: it is not one too many. */
  countRecipient(login: string, recipient: string): Refusal | undefined | Promise<Refusal | undefined>;
  /** Asked just before a commit of mail for these domains; undefined: the mail is only scheduled. */
  claimTerms(domains: readonly string[]): ClaimTerms | undefined | Promise<ClaimTerms | undefined>;
}
