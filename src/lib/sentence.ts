/** How a sentence ends: once, whoever wrote its last words. */

/** With a full stop, unless it ends already; words of others that end within their quotation marks end it, too. */
export function sentence(text: string): string {
  return /[.!?…]["”’)]?$/u.test(text) ? text : `${text}.`;
}
