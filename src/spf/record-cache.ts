/**
 * Parsed records by their text, so that the records of large providers, which come with every second message, are read
 * once. A pure function remembered: several servers in one process share it without knowing.
 */
import { TextCache } from "../lib/text-cache.ts";
import { parseSpfRecord, recordLengthMax, type SpfRecord, type SpfSyntaxError } from "./record.ts";

/** Some 2,500 typical records. Terms take ten times their text (5 MB), fifty at worst. */
const records = new TextCache<SpfRecord | SpfSyntaxError>(parseSpfRecord, {
  lengthMax: recordLengthMax,
  lengthTotalMax: 500_000,
});

export function readSpfRecord(text: string): SpfRecord | SpfSyntaxError {
  return records.get(text);
}
