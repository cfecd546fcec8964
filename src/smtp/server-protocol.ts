/**
 * The server side of an SMTP or LMTP session as a value: octets and the time go in; events, octets and the next deadline
 * come out. Sockets, TLS, timers and every decision about mail are the driver's.
 */
import type { Instant } from "../lib/instant.ts";
import type { Reply } from "./reply.ts";
import type { ServerEvent } from "./server-event.ts";
import type { ServerProtocolSettings } from "./server-protocol-settings.ts";

export interface ServerProtocolContract {
  /** Stores only; parsing happens in `nextEvent`. The array belongs to the core (and to content slices) from here on. */
  receive(bytes: Uint8Array, now: Instant): void;
  /** The peer finished sending. */
  endOfStream(now: Instant): void;
  /** "paused": the last event needs a verdict, or a TLS handshake is under way, or the session is closed. */
  nextEvent(): ServerEvent | "need-data" | "paused";
  /** The verdict "yes" with the core's own reply; which one is told at each event. */
  proceed(now: Instant): void;
  /** The verdict in the driver's words; code 421 closes the session. Several replies only for content-end of LMTP. */
  answer(replies: Reply | readonly Reply[], now: Instant): void;
  /** The verdict on "auth" and "auth-response": go on with this challenge. */
  challenge(bytes: Uint8Array, now: Instant): void;
  /** While content arrives: the rest is drained unseen, then answered with this; a "content-refused" follows. */
  refuseContent(reply: Reply): void;
  /** The handshake after "starttls" succeeded. `refusal` (554): TLS too weak; all but QUIT get it (RFC 3207 §4.1). */
  tlsEstablished(now: Instant, refusal?: Reply): void;
  /** Everything to be sent by now in one piece; undefined when there is nothing. */
  takeOutput(): Buffer | undefined;
  /** Octets received and not yet consumed; the driver stops reading the socket while this is high. */
  readonly bufferedBytes: number;
  /** When `handleDeadline` must be called; undefined while the driver owes a verdict. */
  deadline(): Instant | undefined;
  handleDeadline(now: Instant): void;
  /** Writes 421 and closes, at once or, if a verdict is owed, right after it. */
  shutdown(now: Instant): void;
}

export type ServerProtocolConstructor = new (settings: ServerProtocolSettings, now: Instant) => ServerProtocolContract;
