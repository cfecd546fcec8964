/** How an event of the catalogue is declared: level, meaning, next step, and its fields with their types and meanings. */

export type LogLevel = "debug" | "info" | "warn" | "error";

/** What a field may hold, as the reference says it. */
type FieldKind = "text" | "list of texts" | "number" | "yes or no" | "time" | "list" | "object" | "text or error";

export interface EventField<Value> {
  readonly kind: FieldKind;
  readonly meaning: string;
  /** It may be absent. Who emits the event names it nevertheless, with `undefined`, so that nobody forgets it. */
  readonly optional: boolean;
  /** Never there: it carries the type. */
  readonly value?: Value;
}

export type EventFields = Readonly<Record<string, EventField<unknown>>>;

export interface EventDeclaration<Fields extends EventFields = EventFields> {
  readonly level: LogLevel;
  readonly meaning: string;
  /** What the server does next, or what its operator can do. */
  readonly next: string;
  readonly fields: Fields;
}

/** The values of declared fields. */
export type ValuesOf<Fields extends EventFields> = {
  readonly [Name in keyof Fields]: Fields[Name] extends EventField<infer Value> ? Value : never;
};

export function declare(level: LogLevel, meaning: string, next: string): EventDeclaration<{}>;
export function declare<Fields extends EventFields>(
  level: LogLevel,
  meaning: string,
  next: string,
  fields: Fields,
): EventDeclaration<Fields>;
export function declare(level: LogLevel, meaning: string, next: string, fields: EventFields = {}): EventDeclaration {
  return { level, meaning, next, fields };
}

const field = <Value>(kind: FieldKind, meaning: string): EventField<Value> => ({ kind, meaning, optional: false });

export const text = (meaning: string) => field<string>("text", meaning);
export const texts = (meaning: string) => field<readonly string[]>("list of texts", meaning);
export const number = (meaning: string) => field<number>("number", meaning);
export const flag = (meaning: string) => field<boolean>("yes or no", meaning);
/** ISO 8601, UTC. */
export const time = (meaning: string) => field<string>("time", meaning);
export const list = (meaning: string) => field<readonly object[]>("list", meaning);
export const object = (meaning: string) => field<object>("object", meaning);
/** Of an error, the log tells type, message and stack. */
export const something = (meaning: string) => field<unknown>("text or error", meaning);

export function optional<Value>(declared: EventField<Value>): EventField<Value | undefined> {
  return { kind: declared.kind, meaning: declared.meaning, optional: true };
}
