/**
 * The text that a domain publishes for those it refuses (RFC 7208 §6.2): fetched after a fail, expanded, and made fit for
 * an SMTP reply. It is a stranger's text: short, printable ASCII, and to be shown as his. Whatever goes wrong, there is
 * just no explanation.
 */
import type { Evaluation } from "./evaluation.ts";
import { expandName, expandText, parseMacroString } from "./macro.ts";
import { recordLengthMax } from "./record.ts";
import type { SpfVerdict } from "./verdict.ts";

const explanationLengthMax = 250;

export async function fetchExplanation(verdict: SpfVerdict, evaluation: Evaluation): Promise<string | undefined> {
  const { explanation, domain } = verdict;
  if (explanation === undefined) return undefined;
  if (explanation.target.usesClientName) await evaluation.findClientNames();
  const name = expandName(explanation.target, domain, evaluation);
  if (name === undefined) return undefined;
  const answer = await evaluation.explanationRecords(name);
  if (answer.kind !== "records" || answer.records.length !== 1) return undefined;
  const [text = ""] = answer.records;
  if (text.length > recordLengthMax || /[^\x20-\x7e]/.test(text)) return undefined;
  const parsed = parseMacroString(text, "text");
  if (typeof parsed === "string") return undefined;
  if (parsed.usesClientName) await evaluation.findClientNames();
  const expanded = expandText(parsed, domain, evaluation, explanationLengthMax).slice(0, explanationLengthMax);
  // What the sender's own address and HELO bring along need not be ASCII.
  return expanded.replaceAll(/[^\x20-\x7e]/g, "?");
}
