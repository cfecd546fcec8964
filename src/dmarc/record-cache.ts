/**
 * Parsed DMARC records by their text. A message asks for its author's record twice, and those of large providers come with
 * every second message. A pure function remembered: several servers in one process share it without knowing.
 */
import { TextCache } from "../lib/text-cache.ts";
import { parseDmarcRecord, type ParsedDmarcRecord } from "./dmarc-record.ts";

/** Some 5,000 typical records. What is parsed takes ten times its text: 5 MB. */
const records = new TextCache(parseDmarcRecord, { lengthMax: 4096, lengthTotalMax: 500_000 });

/** As {@link parseDmarcRecord}. */
export function readDmarcRecord(text: string): ParsedDmarcRecord {
  return records.get(text);
}
