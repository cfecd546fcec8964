/**
 * A test reporter that prints failures whole, what tests have measured and say by `t.diagnostic`, and everything else as
 * counts, in the words of node's own summary.
 */
import type { TestEvent } from "node:test/reporters";
import { noConformanceData } from "../src/testing/conformance-data.ts";
import { countsPrefix } from "../src/testing/run-vectors.ts";

interface Failure {
  readonly name: string;
  readonly place: string;
  readonly text: string;
}

function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}

export default async function* testSummary(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const failures: Failure[] = [];
  const skipped: string[] = [];
  const told: string[] = [];
  let withoutData = 0;
  for await (const event of source) {
    if (event.type === "test:fail") {
      const { name, file, line, details } = event.data;
      const cause = causeOf(details.error);
      const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
      // A file or suite that failed only because of its tests says nothing new.
      if (!/subtests? failed/.test(text)) failures.push({ name, place: `${file ?? ""}:${line ?? ""}`, text });
    } else if (event.type === "test:pass" && event.data.skip !== undefined && event.data.skip !== false) {
      if (event.data.skip === noConformanceData) withoutData++;
      else skipped.push(`${event.data.name}: ${String(event.data.skip)}`);
    } else if (
      event.type === "test:diagnostic" &&
      /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(event.data.message) &&
      event.data.nesting === 0
    ) {
      if (event.data.message.startsWith("tests ")) {
        for (const failure of failures) yield `\n✖ ${failure.name}\n  ${failure.place}\n${failure.text}\n`;
        for (const line of skipped) yield `﹣ skipped: ${line}\n`;
        if (withoutData > 0) yield skippedForWantOfData(withoutData);
        for (const line of told) yield `\n${line}`;
        yield "\n";
      }
      yield `ℹ ${event.data.message}\n`;
    } else if (event.type === "test:diagnostic" && event.data.file !== undefined && event.data.level === "info") {
      // `npm run conformance` makes a table of these.
      if (!event.data.message.startsWith(countsPrefix)) told.push(event.data.message);
    }
  }
}

function skippedForWantOfData(count: number): string {
  const tests = count === 1 ? "1 test was" : `${count} tests were`;
  return `﹣ ${tests} skipped because there is no conformance data; docs/testing.md tells how to get it\n`;
}
