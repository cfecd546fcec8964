/** A transition table as a section of a document: a diagram in Mermaid, and what each event means. */
import type { TransitionRows, TransitionTable } from "../src/lib/transition-table.ts";
import { markdownTable } from "./markdown-table.ts";

/** As far as it is shown. */
export type ShownTable = Pick<
  TransitionTable<TransitionRows<string, string>>,
  "initial" | "events" | "rows" | "isFinal"
>;

/** The source of the diagram, without the fence around it. Events that the same two states have are on one arrow. */
export function stateDiagram(table: ShownTable): string {
  const states = Object.keys(table.rows);
  const everywhere = eventsOfEveryState(table);
  const arrows = new Map<string, string[]>();
  const draw = (from: string, to: string, event: string) => {
    const arrow = `${idOf(from)} --> ${idOf(to)}`;
    arrows.set(arrow, [...(arrows.get(arrow) ?? []), event]);
  };
  for (const [from, row] of Object.entries(table.rows)) {
    for (const [event, to] of Object.entries(row)) {
      if (to !== undefined && to !== "ignored" && !everywhere.has(event)) draw(from, to, event);
    }
  }
  for (const [event, to] of everywhere) draw("any state", to, event);
  return [
    "stateDiagram-v2",
    ...[...states, ...(everywhere.size > 0 ? ["any state"] : [])]
      .filter((state) => idOf(state) !== state)
      .map((state) => `    state "${state}" as ${idOf(state)}`),
    `    [*] --> ${idOf(table.initial)}`,
    ...[...arrows].map(([arrow, events]) => `    ${arrow}: ${events.join(", ")}`),
    ...states.filter((state) => table.isFinal(state)).map((state) => `    ${idOf(state)} --> [*]`),
  ].join("\n");
}

/** The diagram in its fence, then the meaning of each event and the states that ignore it. */
export function stateSection(table: ShownTable): string {
  const rows = Object.entries(table.events).map(([event, meaning]) => [
    `\`${event}\``,
    meaning,
    Object.entries(table.rows)
      .filter(([, row]) => row[event] === "ignored")
      .map(([state]) => state)
      .join(", "),
  ]);
  const meanings = markdownTable(["event", "what happened", "ignored in"], rows, []);
  return `\`\`\`mermaid\n${stateDiagram(table)}\n\`\`\`\n\n${meanings}`;
}

/** Events that lead from every state that is not final to one and the same; many arrows would hide the others. */
function eventsOfEveryState(table: ShownTable): ReadonlyMap<string, string> {
  const rows = Object.entries(table.rows).flatMap(([state, row]) => (table.isFinal(state) ? [] : [row]));
  return new Map(
    Object.keys(table.events).flatMap((event) => {
      const [to, ...others] = new Set(rows.map((row) => row[event]));
      return others.length > 0 || to === undefined || to === "ignored" ? [] : [[event, to] as const];
    }),
  );
}

/** Mermaid takes letters, digits and `_` for the name of a state; another name is given as its title. */
function idOf(state: string): string {
  return state.replaceAll(/\W/g, "_");
}
