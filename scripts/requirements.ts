/**
 * `npm run requirements [-- --missing] [--area SPF] [--json]`: every row of docs/rfc-checklist.md with the tests that bear
 * its id, or why it does not apply yet. `npm test` and `.ci/run` say whether those tests pass. Its last line counts.
 * `--check` prints only what is wrong: ids in tests that no row has, and rows with neither test nor reason.
 */
import { parseArgs } from "node:util";
import { readRequirements, requirementsLine, untested } from "./requirement-rows.ts";

const { values: options } = parseArgs({
  options: {
    missing: { type: "boolean", default: false },
    area: { type: "string" },
    json: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
  },
});

const requirements = readRequirements();
const { rows, unknown } = requirements;
const bare = untested(requirements);

if (options.check) {
  for (const place of unknown) console.error(`${place}: there is no such requirement`);
  for (const { id } of bare) console.error(`${id}: no test bears this id, and no reason is given`);
} else if (options.json) {
  console.log(JSON.stringify(rows, undefined, 2));
} else {
  for (const { id, requirement, tests, reason } of rows) {
    if (options.area !== undefined && !id.startsWith(`${options.area}-`)) continue;
    if (options.missing && tests.length > 0) continue;
    console.log(`${id}  ${requirement}`);
    for (const place of tests) console.log(`    ${place}`);
    if (tests.length === 0) console.log(`    ${reason === undefined ? "NO TEST" : `not yet: ${reason}`}`);
  }
}
if (!options.json) console.log(requirementsLine(requirements));
process.exitCode = options.check && (bare.length > 0 || unknown.length > 0) ? 1 : 0;
