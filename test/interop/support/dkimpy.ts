/** dkimpy's signer, verifier, sealer and validator of chains: many messages in one run of Python, which starts slowly. */
import { readFileSync } from "node:fs";
import type { DkimKey } from "./dkim-keys.ts";
import type { TestDns } from "./dns.ts";

const script = `
import base64, dkim, json, sys
for line in sys.stdin:
    job = json.loads(line)
    message = base64.b64decode(job["message"])
    name = lambda key: job[key].encode()
    if job["what"] == "verify":
        answer = "pass" if dkim.DKIM(message).verify(job["index"]) else "fail"
    elif job["what"] == "validate":
        cv, _, why = dkim.arc_verify(message)
        answer = "%s: %s" % (cv, why)
    elif job["what"] == "sign":
        signer = dkim.DKIM(message, signature_algorithm=name("algorithm"), linesep=b"\\r\\n")
        form = (name("header"), name("body"))
        answer = base64.b64encode(signer.sign(name("selector"), name("domain"), name("key"), canonicalize=form) + message).decode()
    else:
        cv = dkim.CV_Pass if b"arc-seal:" in message.lower() else dkim.CV_None
        fields = dkim.arc_sign(message, name("selector"), name("domain"), name("key"), name("domain"), cv, linesep=b"\\r\\n")
        answer = base64.b64encode(b"".join(fields) + message).decode()
    print(json.dumps(answer))
`;

async function run(dns: TestDns, jobs: readonly object[], messages: readonly Buffer[]): Promise<readonly string[]> {
  const input = messages.map((message, index) =>
    JSON.stringify({ ...jobs[index], message: message.toString("base64") }),
  );
  const { status, output } = await dns.run("/usr/bin/python3", ["-c", script], input.join("\n"));
  if (status !== 0) throw new Error(`dkimpy: ${output.slice(-2000)}`);
  return output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as string);
}

const named = ({ domain, selector, dkimpyFile }: DkimKey) => ({
  domain,
  selector,
  key: readFileSync(dkimpyFile, "latin1"),
});

const decoded = (answers: readonly string[]) => answers.map((answer) => Buffer.from(answer, "base64"));

/** `pass` or `fail` for the signature at `index`, the topmost is 0. */
export async function dkimpyVerify(dns: TestDns, messages: readonly Buffer[], index = 0): Promise<readonly string[]> {
  return run(
    dns,
    messages.map(() => ({ what: "verify", index })),
    messages,
  );
}

export async function dkimpySign(
  dns: TestDns,
  key: DkimKey,
  messages: readonly Buffer[],
  form: { readonly algorithm?: string; readonly header?: string; readonly body?: string } = {},
): Promise<readonly Buffer[]> {
  const job = { what: "sign", algorithm: "rsa-sha256", header: "relaxed", body: "relaxed", ...form, ...named(key) };
  return decoded(
    await run(
      dns,
      messages.map(() => job),
      messages,
    ),
  );
}

/** `b'pass': success` for a chain that is whole. */
export async function dkimpyValidate(dns: TestDns, messages: readonly Buffer[]): Promise<readonly string[]> {
  return run(
    dns,
    messages.map(() => ({ what: "validate" })),
    messages,
  );
}

/** Seals what a forwarder found, which goes on top as Authentication-Results. */
export async function dkimpySeal(
  dns: TestDns,
  key: DkimKey,
  messages: readonly Buffer[],
  results: string,
): Promise<readonly Buffer[]> {
  const field = Buffer.from(`Authentication-Results: ${key.domain}; ${results}\r\n`);
  const checked = messages.map((message) => Buffer.concat([field, message]));
  return decoded(
    await run(
      dns,
      messages.map(() => ({ what: "seal", ...named(key) })),
      checked,
    ),
  );
}
