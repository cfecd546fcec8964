/** The top-level header fields that Python's own `email` package finds in message files. */
import { runProgram } from "./program.ts";

const script = `
import email, json, sys
for path in json.load(sys.stdin):
    with open(path, "rb") as file:
        message = email.message_from_binary_file(file)
    print(json.dumps([[name.lower(), value] for name, value in message.raw_items()]))
`;

export async function readWithPython(files: readonly string[]): Promise<readonly (readonly [string, string])[][]> {
  const { status, output } = await runProgram("/usr/bin/python3", ["-c", script], { input: JSON.stringify(files) });
  if (status !== 0) throw new Error(`Python: ${output}`);
  return output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as [string, string][]);
}
