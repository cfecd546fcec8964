/**
 * Parsed records by their text, so that the records of large providers, which come with every second message, are read
 * once. A pure function remembered: several servers in one process share it without knowing.
 */
import { parseSpfRecord, RECORD_LENGTH_MAX, type SpfRecord, type SpfSyntaxError } from "./record.ts";

/** Characters of all remembered records: some 2,500 typical ones. Terms take ten times their text (5 MB), fifty at worst. */
const TEXT_LENGTH_TOTAL_MAX = 500_000;
/** In order of arrival; the oldest leave first, and those still in use soon return. */
const records = new Map<string, SpfRecord | SpfSyntaxError>();
let textLengthTotal = 0;

export function readSpfRecord(text: string): SpfRecord | SpfSyntaxError {
  const known = records.get(text);
  if (known !== undefined) return known;
  const record = parseSpfRecord(text);
  if (text.length > RECORD_LENGTH_MAX) return record;
  records.set(text, record);
  textLengthTotal += text.length;
  for (const oldest of records.keys()) {
    if (textLengthTotal <= TEXT_LENGTH_TOTAL_MAX) break;
    records.delete(oldest);
    textLengthTotal -= oldest.length;
  }
  return record;
}
