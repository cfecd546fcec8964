/**
 * The catalogue of events: everything that the log can say, by subject. Each event is declared once, with level, meaning,
 * next step and fields; docs/log-events.md is generated from the declarations, and the compiler holds who emits an event
 * to exactly its fields.
 */
import { acmeEvents } from "./acme-events.ts";
import { deliveryEvents } from "./delivery-events.ts";
import { messageEvents } from "./message-events.ts";
import { reportEvents } from "./report-events.ts";
import { serverEvents } from "./server-events.ts";
import { sessionEvents } from "./session-events.ts";
import { signingEvents } from "./signing-events.ts";
import { spoolEvents } from "./spool-events.ts";
import type { EventDeclaration, ValuesOf } from "./event-declaration.ts";

/** In the order of the reference. */
export const eventSubjects = {
  "The server": serverEvents,
  Sessions: sessionEvents,
  "Messages that arrive": messageEvents,
  Deliveries: deliveryEvents,
  Reports: reportEvents,
  "The spool": spoolEvents,
  "DKIM keys": signingEvents,
  "Certificates by ACME": acmeEvents,
};

export const catalogue = {
  ...serverEvents,
  ...sessionEvents,
  ...messageEvents,
  ...deliveryEvents,
  ...reportEvents,
  ...spoolEvents,
  ...signingEvents,
  ...acmeEvents,
} satisfies Readonly<Record<string, EventDeclaration>>;

export type EventName = keyof typeof catalogue;

/** What an event of this name says. */
export type FieldsOf<Name extends EventName> = Name extends EventName
  ? ValuesOf<(typeof catalogue)[Name]["fields"]>
  : never;
