/**
 * What is known in the middle of a session: who the client is, what it has said, the message in the making. The commands
 * read and change it; which command is legal when is the protocol core's.
 */
import type { Client } from "../policy/client.ts";
import type { Log } from "../ports/log.ts";
import type { TlsFacts } from "../ports/network.ts";
import type { ServerMechanism } from "../sasl/server-mechanism.ts";
import type { IncomingContent } from "./incoming-content.ts";
import type { ListenerOptions } from "./listener-options.ts";
import type { InboundServices, InboundSettings } from "./services.ts";
import type { SessionMemory } from "./session-memory.ts";
import type { Transaction } from "./transaction.ts";

export interface Hello {
  readonly verb: "HELO" | "EHLO" | "LHLO";
  readonly name: string;
}

/** What the connection below can tell; asked for only when needed. */
export interface SessionChannel {
  readonly tls: TlsFacts | undefined;
  /** Address the client connected to; `undefined` for a unix socket. */
  readonly ourAddress: string | undefined;
}

export interface SessionState {
  readonly id: string;
  readonly services: InboundServices;
  /** As they were when the session began. */
  readonly settings: InboundSettings;
  readonly listener: ListenerOptions;
  readonly channel: SessionChannel;
  /** Bears the session's id. */
  readonly log: Log;
  readonly memory: SessionMemory;
  /** Replaced when a login succeeds. */
  client: Client;
  hello: Hello | undefined;
  /** The AUTH exchange under way. */
  exchange: { readonly mechanism: string; readonly server: ServerMechanism } | undefined;
  transaction: Transaction | undefined;
  content: IncomingContent | undefined;
  /** The spool has the message and has not said yet whether it is durable. */
  committing: boolean;
  /** Messages accepted so far. */
  messages: number;
  /** The last refusal that the protocol core gave by itself. */
  refusal: string | undefined;
}

/** The open transaction is void, and what was written of its content. */
export function dropTransaction(state: SessionState): void {
  state.transaction = undefined;
  dropContent(state);
  // Content that the spool has by now is counted until it says what became of it.
  if (!state.committing) state.memory.dropMessage();
}

/** The spool forgets what it got. Not while it commits: then the message is no longer ours to take back. */
export function dropContent(state: SessionState): void {
  const { content, log } = state;
  if (content === undefined) return;
  state.content = undefined;
  state.memory.dropContent();
  content.writer.abort().catch((error: unknown) => {
    log.event("spool-failed", { message: content.id, error: String(error) });
  });
}
