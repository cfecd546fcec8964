/**
 * Parsed DMARC records by their text. A message asks for its author's record twice, and those of large providers come with
 * every second message. A pure function remembered: several servers in one process share it without knowing.
 */
import { parseDmarcRecord, type ParsedDmarcRecord } from "./dmarc-record.ts";

/** Characters of all remembered records: some 5,000 typical ones. What is parsed takes ten times its text: 5 MB. */
const TEXT_LENGTH_TOTAL_MAX = 500_000;
/** Longer ones are read anew each time; a record with ten addresses has a tenth of this. */
const TEXT_LENGTH_MAX = 4096;
/** In order of arrival; the oldest leave first, and those still in use soon return. */
const records = new Map<string, ParsedDmarcRecord>();
let textLengthTotal = 0;

/** As {@link parseDmarcRecord}. */
export function readDmarcRecord(text: string): ParsedDmarcRecord {
  const known = records.get(text);
  if (known !== undefined) return known;
  const parsed = parseDmarcRecord(text);
  if (text.length > TEXT_LENGTH_MAX) return parsed;
  records.set(text, parsed);
  textLengthTotal += text.length;
  for (const oldest of records.keys()) {
    if (textLengthTotal <= TEXT_LENGTH_TOTAL_MAX) break;
    records.delete(oldest);
    textLengthTotal -= oldest.length;
  }
  return parsed;
}
