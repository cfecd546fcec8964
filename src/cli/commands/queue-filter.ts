/** The options that select recipients, in listings and in bulk verbs alike. */
import { asciiUpperCase } from "../../lib/ascii-case.ts";
import type { OptionDeclaration } from "../command.ts";
import type { GivenArguments } from "../given-arguments.ts";

const states = ["scheduled", "claimed", "held", "delivered", "relayed", "failed", "expired", "removed"] as const;

export const filterOptions: readonly OptionDeclaration[] = [
  { name: "from", value: "ADDRESS", summary: "whose reverse-path is ADDRESS" },
  { name: "to", value: "ADDRESS", summary: "whose address is ADDRESS, or was ADDRESS before an alias replaced it" },
  { name: "domain", value: "DOMAIN", summary: "recipients at DOMAIN" },
  { name: "state", value: "STATE", choices: states, summary: "in this state; default: all that are not final" },
];

/** The filter as the API takes it; empty when nothing was given. */
export function filterOf(given: GivenArguments): Record<string, string> {
  const [message] = given.positionals;
  const entries = filterOptions.map(({ name }) => [name, given.text(name)] as const);
  const chosen = entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  return { ...Object.fromEntries(chosen), ...(message !== undefined && { message: asciiUpperCase(message) }) };
}
