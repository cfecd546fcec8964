/** What pyspf says of many senders, in one run of Python. */
import type { TestDns } from "./dns.ts";

export interface SpfQuestion {
  readonly client: string;
  readonly reversePath: string;
  readonly hello: string;
}

const script = `
import json, spf, sys
for ask in json.load(sys.stdin):
    result, why = spf.check2(i=ask["client"], s=ask["reversePath"], h=ask["hello"], receiver="receiver.test")
    print(json.dumps([result, why]))
`;

export async function askPySpf(
  dns: TestDns,
  questions: readonly SpfQuestion[],
): Promise<readonly { readonly result: string; readonly why: string }[]> {
  const { status, output } = await dns.run("/usr/bin/python3", ["-c", script], JSON.stringify(questions));
  if (status !== 0) throw new Error(`pyspf: ${output}`);
  return output
    .trim()
    .split("\n")
    .map((line) => {
      const [result, why] = JSON.parse(line) as [string, string];
      return { result, why };
    });
}
