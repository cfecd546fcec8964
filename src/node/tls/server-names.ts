/** Which of several certificates a client is shown, by the name that it asks for (SNI, RFC 6066 §3). */
import { asciiLowerCase } from "../../lib/ascii-case.ts";

/**
 * The one for this very name, else the one for the wildcard that covers it, which stands for one label (RFC 9525 §6.3);
 * undefined: none of them. The first of several wins.
 */
export function choiceFor<Choice extends { readonly names: readonly string[] }>(
  choices: readonly Choice[],
  serverName: string,
): Choice | undefined {
  const name = asciiLowerCase(serverName).replace(/\.$/, "");
  const dot = name.indexOf(".");
  const wildcard = dot > 0 ? `*${name.slice(dot)}` : undefined;
  return (
    choices.find(({ names }) => names.includes(name)) ??
    choices.find(({ names }) => wildcard !== undefined && names.includes(wildcard))
  );
}
