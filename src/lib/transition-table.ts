/**
 * States that change only along a table. The table is data: a row for each state, and in it the events that may come there
 * and the state to which each leads. A pair of state and event that is in no row cannot happen. `docs/states.md` is drawn
 * from the tables of this project.
 */

/** For each state, the events that may come in it: the state they lead to (the same again, too), or "ignored". */
export type TransitionRows<State extends string, Event extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Event, State | "ignored">>>>
>;

/** The events that some row of a table has. */
export type EventOf<Rows> = { [State in keyof Rows]: keyof Rows[State] & string }[keyof Rows];

/** The states to which an event leads, from whichever state. */
export type StatesAfter<Rows, Event> = Exclude<
  { [State in keyof Rows]: Event extends keyof Rows[State] ? Rows[State][Event] : never }[keyof Rows],
  "ignored" | undefined
>;

/** See the head of this file. The rows say what happens, the rest of it what that means. */
export class TransitionTable<const Rows extends TransitionRows<string, string>> {
  /** The state in which everything begins. */
  readonly initial: keyof Rows & string;
  /** What each event means, as one sentence for the documentation. */
  readonly events: Readonly<Record<EventOf<Rows>, string>>;
  readonly rows: Rows;
  readonly #finals: ReadonlySet<string>;

  constructor({ initial, events, rows }: Pick<TransitionTable<Rows>, "initial" | "events" | "rows">) {
    this.initial = initial;
    this.events = events;
    this.rows = rows;
    const final = ([, row]: [string, TransitionRows<string, string>[string]]) =>
      Object.values(row).every((next) => next === "ignored");
    this.#finals = new Set(
      Object.entries(rows)
        .filter(final)
        .map(([state]) => state),
    );
  }

  /** What an event does in a state. "fault": it cannot come there. */
  transition(state: keyof Rows & string, event: EventOf<Rows>): (keyof Rows & string) | "ignored" | "fault" {
    const row: TransitionRows<string, string>[string] | undefined = this.rows[state];
    return row?.[event] ?? "fault";
  }

  /** No event leads out of this state. */
  isFinal(state: keyof Rows & string): boolean {
    return this.#finals.has(state);
  }
}

/** Something happened that the table has no row for: a fault of the program, never of a peer. */
export class TransitionError extends Error {
  override readonly name = "TransitionError";
}

/** Told of each change, when it is made. */
export type ObserveTransition<State, Event> = (before: State, event: Event, after: State) => void;

/**
 * Holds a state with its data, a union tagged by `kind`, and lets it change along a table only. The compiler refuses a
 * state to which the event leads from nowhere; the rest is checked at each change, which costs two look-ups.
 */
export class StateMachine<
  State extends { readonly kind: keyof Rows & string },
  const Rows extends TransitionRows<State["kind"], string>,
> {
  readonly #table: TransitionTable<Rows>;
  readonly #observe: ObserveTransition<State, EventOf<Rows>> | undefined;
  #state: State;

  constructor(table: TransitionTable<Rows>, initial: State, observe?: ObserveTransition<State, EventOf<Rows>>) {
    if (initial.kind !== table.initial) throw new TransitionError(`the first state is not "${initial.kind}"`);
    this.#table = table;
    this.#state = initial;
    this.#observe = observe;
  }

  get state(): State {
    return this.#state;
  }

  /** No event leads out of the present state. */
  get isOver(): boolean {
    return this.#table.isFinal(this.#state.kind);
  }

  /**
   * Changes the state. false: the present state ignores the event and stays. Throws {@link TransitionError} where the event
   * cannot come in the present state, or leads to another one than `next`; nothing is changed then.
   */
  change<Event extends EventOf<Rows>>(
    event: Event,
    next: Extract<State, { readonly kind: StatesAfter<Rows, Event> }>,
  ): boolean {
    const before = this.#state;
    const to = this.#table.transition(before.kind, event);
    if (to === "ignored") return false;
    if (to !== next.kind) throw new TransitionError(faultText(before.kind, event, to, next.kind));
    this.#state = next;
    this.#observe?.(before, event, next);
    return true;
  }
}

function faultText(from: string, event: string, to: string, asked: string): string {
  if (to === "fault") return `"${event}" cannot come in the state "${from}"`;
  return `"${event}" leads from the state "${from}" to "${to}", not to "${asked}"`;
}
