/**
 * What the parts of the client core know of a session and share: where it stands, what came in, what goes out, how long the
 * server has, and how it fails. protocol.ts is the only way to it from outside.
 */
import type { Instant } from "../../lib/instant.ts";
import { type EventOf, type ObserveTransition, StateMachine } from "../../lib/transition-table.ts";
import { quotedReply, ReplyReader, ReplySyntaxError, type ReceivedReply } from "../reply-reader.ts";
import { noCapabilities, type Capabilities } from "./capabilities.ts";
import type { ClientEvent } from "./event.ts";
import type { ClientFailure } from "./failure.ts";
import { ClientOutput } from "./output.ts";
import { awaitedIn, clientTransitions, type ClientPhase, type ClientRows } from "./phase.ts";
import type { ClientTimeouts } from "./timeouts.ts";

export interface ClientProtocolOptions {
  readonly dialect: "smtp" | "lmtp";
  /** Our host name, or an address literal where there is none (RFC 5321 §4.1.1.1). */
  readonly heloName: string;
  readonly timeouts: ClientTimeouts;
  /** Told each line of the dialogue; passwords and content are left out. */
  readonly observe?: (direction: "in" | "out", text: string) => void;
  /** Told each change of phase. */
  readonly observePhase?: ObserveTransition<ClientPhase, EventOf<ClientRows>>;
}

export class ClientSession {
  readonly options: ClientProtocolOptions;
  readonly reader = new ReplyReader();
  readonly output = new ClientOutput();
  /** Events to be handed to the driver. */
  readonly events: ClientEvent[] = [];
  now: Instant = 0;
  /** Since when the server owes us what the phase awaits; progress begins the wait anew. */
  waitingSince: Instant = 0;
  /** Of the current EHLO answer. */
  capabilities: Capabilities = noCapabilities;
  authenticated = false;
  /** The last transaction failed midway, so RSET goes before the next one. */
  resetFirst = false;
  /** The network has not taken all of the output yet: the server cannot have read it. */
  outputHeld = false;
  /** Transactions begun. */
  transactions = 0;
  readonly #machine: StateMachine<ClientPhase, ClientRows>;
  /** Every change of phase; the next wait begins. */
  readonly enter: StateMachine<ClientPhase, ClientRows>["change"];

  constructor(options: ClientProtocolOptions) {
    this.options = options;
    this.#machine = new StateMachine<ClientPhase, ClientRows>(
      clientTransitions,
      { kind: "new" },
      (before, event, after) => {
        this.waitingSince = this.now;
        options.observePhase?.(before, event, after);
      },
    );
    this.enter = this.#machine.change.bind(this.#machine);
  }

  get phase(): ClientPhase {
    return this.#machine.state;
  }

  /** What the server owes us now, as reports name it. */
  get awaited(): string {
    return awaitedIn(this.phase).command;
  }

  /** When the wait is over; undefined while nothing is awaited. */
  get deadline(): Instant | undefined {
    const { phase } = this;
    const { timeout } = awaitedIn(phase);
    if (timeout === undefined) return undefined;
    const end = this.waitingSince + this.options.timeouts[timeout];
    return "transaction" in phase ? Math.min(end, phase.transaction.endsAt) : end;
  }

  /** `shown`: what observers are told instead. */
  send(command: string, shown = command): void {
    this.output.push(`${command}\r\n`);
    this.options.observe?.("out", shown);
  }

  /** undefined: no whole reply is here, or what is here is none, which ends the session. */
  nextReply(): ReceivedReply | undefined {
    try {
      const reply = this.reader.next();
      if (reply !== undefined) this.#observeReply(reply);
      return reply;
    } catch (error) {
      if (!(error instanceof ReplySyntaxError)) throw error;
      this.fail({ kind: "protocol-error", command: this.awaited, detail: error.message });
      return undefined;
    }
  }

  /**
   * Before something is sent while no reply is owed: octets that are here already cannot answer it. Only 421 may come at
   * any time (RFC 5321 §3.8).
   */
  failIfAhead(): boolean {
    if (!this.reader.hasBytes) return false;
    const reply = this.nextReply();
    if (reply?.code === 421) this.fail({ kind: "refused", command: this.awaited, reply });
    else this.failUnasked(reply);
    return true;
  }

  /** `reply`: what was read of it; else what is here, whole or not. */
  failUnasked(reply?: ReceivedReply): void {
    const said = reply === undefined ? `"${this.reader.unfinishedText}"` : quotedReply(reply);
    const detail = `the server sent ${said} although nothing was asked of it`;
    this.fail({ kind: "protocol-error", command: this.awaited, detail });
  }

  /** Ends the session, if it has not ended; a transaction that is under way gets its results first. */
  fail(failure: ClientFailure): void {
    const { phase } = this;
    if (phase.kind === "closed") return;
    if ("transaction" in phase) {
      this.events.push({ kind: "transaction-done", results: phase.transaction.breakOff(failure) });
    }
    // A refusal was told already.
    if (phase.kind !== "refused") this.events.push({ kind: "failed", failure });
    this.enter("failed", { kind: "closed" });
  }

  #observeReply(reply: ReceivedReply): void {
    const { observe } = this.options;
    if (observe === undefined) return;
    reply.lines.forEach((line, index) => {
      const more = index < reply.lines.length - 1;
      observe("in", `${reply.code}${more ? "-" : line === "" ? "" : " "}${line}`);
    });
  }
}
