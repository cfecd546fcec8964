/**
 * A field that may be absent is written in one way: `...(value !== undefined && { value })`. This finds the others: a spread
 * of a choice, of which one side is nothing.
 */

const nothing = String.raw`(?:\{\}|undefined|null)`;
const choiceOfNothing = new RegExp(String.raw`\? ${nothing} :|: ${nothing}$`);

/** The lines of a formatted source, counted from 1, where such a spread begins. Linear in the text, but for nested spreads. */
export function otherOptionalFields(text: string): readonly number[] {
  const lines: number[] = [];
  for (const { index } of text.matchAll(/\.\.\.\(/g)) {
    if (choiceOfNothing.test(ownText(text, index + "...(".length))) lines.push(text.slice(0, index).split("\n").length);
  }
  return lines;
}

/** What stands in a bracket itself: of brackets and texts inside it, only that there are some. A row of white space is one space. */
function ownText(text: string, start: number): string {
  let depth = 0;
  let own = "";
  for (const [token] of text.slice(start).matchAll(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[^])*`|[^]/g)) {
    if (/[)\]}]/.test(token) && token.length === 1 && --depth < 0) break;
    own += depth > 0 || token.length > 1 ? "_" : token;
    if (/[([{]/.test(token) && token.length === 1) depth++;
  }
  return own.replaceAll(/\s+/g, " ").trim();
}
