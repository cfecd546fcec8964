/**
 * The engines alone, ours and mailauth's in turns, in one process that run.ts pins to one core: verify, sign, SPF, and all
 * checks of a message. DNS answers are at hand for both. Writes its rows as JSON to standard output.
 *
 * Each turn lasts as long as it is told to; a round before the first warms up.
 */
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { dkimSign, dkimVerify, spf } from "mailauth";
import { BodyHashes } from "../../src/dkim/body-hashes.ts";
import type { DkimOutcome } from "../../src/dkim/dkim-outcome.ts";
import { MessageSigner } from "../../src/dkim/signer.ts";
import { DkimVerifier } from "../../src/dkim/verifier.ts";
import { HeaderCollector, parseHeaderFields } from "../../src/message/header-section.ts";
import { SystemClock } from "../../src/node/process/system-clock.ts";
import { ThreadPoolCrypto } from "../../src/node/threads/thread-pool-crypto.ts";
import { checkSender } from "../../src/spf/spf.ts";
import type { DnsAnswer, RecordType, Resolver } from "../../src/ports/resolver.ts";
import { testKey } from "../../src/testing/test-crypto.ts";
import {
  base64Body,
  headerOf,
  plainBody,
  proseBody,
  recordsOf,
  signedAt,
  signedMessage,
  signingKeyFor,
} from "./messages.ts";
import type { Row } from "./rows.ts";

const rounds = Number(process.argv[2]);
const turnMs = Number(process.argv[3]);

const domain = "sender.example";
const client = "203.0.113.200";
const smallBytes = 4096;
const largeBytes = 10_000_000;
/** As the session hands content over: what one read of a socket brings. */
const sliceBytes = 64 * 1024;
/** Signatures under way at once, since ours are made by the thread pool, and mailauth's can be. */
const signingsAtOnce = 8;

/** Has all answers already, as a resolver with a warm cache. */
class WarmResolver implements Resolver {
  readonly #answers = new Map<string, DnsAnswer<"TXT">>();

  constructor(records: ReadonlyMap<string, string>) {
    for (const [name, text] of records) {
      this.#answers.set(name, { kind: "records", records: [text], name, ttlSeconds: 300, secure: false });
    }
  }

  async query<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
    const known = type === "TXT" ? this.#answers.get(name) : undefined;
    return (known as DnsAnswer<T> | undefined) ?? { kind: "no-name", secure: false };
  }
}

const records = recordsOf(domain, client);
const resolver = new WarmResolver(records);
const mailauthAnswers = new Map([...records].map(([name, text]) => [name, [[text]]]));

async function mailauthResolver(name: string, type: string): Promise<string[][]> {
  const known = type === "TXT" ? mailauthAnswers.get(name) : undefined;
  if (known !== undefined) return known;
  throw Object.assign(new Error(`${name} does not exist`), { code: "ENOTFOUND" });
}

async function verifyOurs(message: Buffer): Promise<readonly DkimOutcome[]> {
  const collector = new HeaderCollector();
  let bodies: BodyHashes | undefined;
  let verifier: DkimVerifier | undefined;
  for (let at = 0; at < message.length; at += sliceBytes) {
    const slice = message.subarray(at, at + sliceBytes);
    if (bodies !== undefined) {
      bodies.push(slice);
      continue;
    }
    const progress = collector.push(slice);
    if (progress.kind !== "complete") continue;
    bodies = new BodyHashes();
    verifier = new DkimVerifier(parseHeaderFields(progress.header), bodies, { resolver, now: signedAt });
    bodies.push(progress.rest);
  }
  bodies?.end();
  const outcomes = (await verifier?.finish()) ?? [];
  if (outcomes[0]?.result !== "pass") throw new Error(`we say ${outcomes[0]?.reason}`);
  return outcomes;
}

async function verifyMailauth(message: Buffer): Promise<void> {
  const { results } = await dkimVerify(message, { resolver: mailauthResolver, strict: true });
  if (results[0]?.status.result !== "pass") throw new Error(`mailauth says ${results[0]?.status.result}`);
}

const key = signingKeyFor(domain);
const crypto = new ThreadPoolCrypto(new SystemClock());
const pem = testKey("rsa");

async function signOurs(header: Buffer, rest: Buffer): Promise<void> {
  const bodies = new BodyHashes();
  const signer = MessageSigner.begin(parseHeaderFields(header), bodies, { keys: [key], crypto, now: signedAt });
  bodies.push(rest);
  bodies.end();
  if (((await signer?.finish()) ?? "") === "") throw new Error("we did not sign");
}

async function signMailauth(message: Buffer): Promise<void> {
  const { signatures } = await dkimSign(message, {
    signatureData: [{ signingDomain: key.domain, selector: key.selector, privateKey: pem }],
    strict: true,
  } as Parameters<typeof dkimSign>[1]);
  if (signatures === "") throw new Error("mailauth did not sign");
}

async function spfOurs(): Promise<void> {
  const { mailfrom } = await checkSender(
    { clientAddress: client, hello: "mail.example", reversePath: { localPart: "ann", domain }, withHelo: false },
    { resolver, now: signedAt },
  );
  if (mailfrom.result !== "pass") throw new Error(`we say SPF ${mailfrom.result}`);
}

async function spfMailauth(): Promise<void> {
  const { status } = await spf({
    sender: `ann@${domain}`,
    ip: client,
    helo: "mail.example",
    mta: "mx.example",
    resolver: mailauthResolver,
    strict: true,
  });
  if (status.result !== "pass") throw new Error(`mailauth says SPF ${status.result}`);
}

/**
 * Runs it again and again for a turn, `atOnce` at a time; how often in a second of processor time, all threads of this
 * process together. What else the machine does in the meantime does not count.
 */
async function perSecond(run: () => unknown, atOnce = 1): Promise<number> {
  const before = process.cpuUsage();
  const end = performance.now() + turnMs;
  let count = 0;
  const lane = async () => {
    do {
      await run();
      count++;
    } while (performance.now() < end);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  const { user, system } = process.cpuUsage(before);
  return count / ((user + system) / 1e6);
}

interface Contest {
  readonly row: Row;
  readonly turns: readonly { readonly into: number[]; readonly run: () => unknown; readonly atOnce?: number }[];
}

function contest(
  about: Pick<Row, "name" | "unit"> & Partial<Pick<Row, "bar">>,
  runs: {
    readonly ours: () => unknown;
    readonly mailauth: () => unknown;
    readonly bare?: { readonly name: string; readonly run: () => unknown };
    readonly atOnce?: number;
  },
): Contest {
  const { atOnce = 1, bare } = runs;
  const [ours, mailauth, bareValues]: [number[], number[], number[]] = [[], [], []];
  return {
    row: { ...about, ours, mailauth, ...(bare !== undefined && { bare: { name: bare.name, values: bareValues } }) },
    turns: [
      { into: ours, run: runs.ours, atOnce },
      { into: mailauth, run: runs.mailauth, atOnce },
      ...(bare === undefined ? [] : [{ into: bareValues, run: bare.run }]),
    ],
  };
}

const small = await signedMessage(domain, "small", plainBody(smallBytes - 1200));
const [base64, prose] = [base64Body(largeBytes), proseBody(largeBytes)];
const largeBase64 = await signedMessage(domain, "base64", base64);
const largeProse = await signedMessage(domain, "prose", prose);
const unsignedHeader = headerOf(domain, "unsigned");
const unsignedRest = Buffer.concat([Buffer.from("\r\n"), plainBody(smallBytes - unsignedHeader.length)]);
const unsigned = Buffer.concat([unsignedHeader, unsignedRest]);
const publicKey = createPublicKey(pem);
const privateKey = createPrivateKey(pem);
const someData = Buffer.alloc(1000, "x");
const someSignature = sign("sha256", someData, privateKey);

const hashOf = (bytes: Buffer) => ({
  name: "SHA-256 alone",
  run: () => createHash("sha256").update(bytes).digest(),
});

const contests: readonly Contest[] = [
  contest(
    {
      name: `verify ${small.length.toLocaleString("en")} octets, RSA-2048`,
      unit: "a second",
      bar: { kind: "mailauth", times: 8 },
    },
    {
      ours: () => verifyOurs(small),
      mailauth: () => verifyMailauth(small),
      bare: { name: "RSA alone", run: () => verify("sha256", someData, publicKey, someSignature) },
    },
  ),
  contest(
    { name: "verify 10 MB of base64", unit: "ms", bar: { kind: "bare", times: 2 } },
    { ours: () => verifyOurs(largeBase64), mailauth: () => verifyMailauth(largeBase64), bare: hashOf(base64) },
  ),
  contest(
    { name: "verify 10 MB of prose", unit: "ms", bar: { kind: "bare", times: 6 } },
    { ours: () => verifyOurs(largeProse), mailauth: () => verifyMailauth(largeProse), bare: hashOf(prose) },
  ),
  contest(
    { name: "sign 4,096 octets, RSA-2048", unit: "a second", bar: { kind: "bare", times: 0.9 } },
    {
      ours: () => signOurs(unsignedHeader, unsignedRest),
      mailauth: () => signMailauth(unsigned),
      bare: { name: "RSA alone", run: () => sign("sha256", someData, privateKey) },
      atOnce: signingsAtOnce,
    },
  ),
  contest(
    { name: "SPF with three includes", unit: "a second", bar: { kind: "rate", value: 50_000 } },
    { ours: spfOurs, mailauth: spfMailauth },
  ),
];

for (let round = 0; round <= rounds; round++) {
  for (const { row, turns } of contests) {
    // Who goes first alternates; round 0 is for warming up.
    for (const { into, run, atOnce } of round % 2 === 1 ? turns : turns.toReversed()) {
      const rate = await perSecond(run, atOnce);
      if (round > 0) into.push(row.unit === "ms" ? 1000 / rate : rate);
    }
  }
}
process.stdout.write(JSON.stringify(contests.map(({ row }) => row)));
