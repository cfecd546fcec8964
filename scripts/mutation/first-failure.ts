/** A test reporter that ends the process at the first failure: one is enough to kill a mutant. */
import type { TestEvent } from "node:test/reporters";

export default async function* firstFailure(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== "test:fail" || event.data.todo !== undefined) continue;
    process.exitCode = 1;
    process.exit();
  }
  yield "";
}
