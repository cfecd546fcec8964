/** An Authentication-Results field as a server writes it on top of a message. */
import { formatResults, type MethodResult } from "../message/authentication-results.ts";

export function resultsField(authservId: string, results: readonly MethodResult[]): string {
  return `Authentication-Results: ${authservId}${formatResults(results)}\r\n`;
}
