/** Files and answers: the configuration, journals that a disk has damaged, and DNS messages as they come off the wire. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import packet from "dns-packet";
import { ConfigError } from "../../../src/config/config-problem.ts";
import { loadSettings } from "../../../src/config/load-settings.ts";
import { parseTomlDocument, TomlSyntaxError } from "../../../src/config/toml-document.ts";
import { followChain, readReply, type Question } from "../../../src/node/dns/dns-message.ts";
import type { RecordType } from "../../../src/ports/resolver.ts";
import { framed, type JournalFormat } from "../../../src/testing/spool/journal-format.ts";
import { downgradeJournal, Journal } from "../../../src/testing/spool/journal.ts";
import { SpoolError } from "../../../src/spool/spool.ts";
import { MemoryFiles } from "../../../src/testing/memory-files.ts";
import { texts } from "../seeds.ts";
import type { FuzzTarget } from "../target.ts";

const folder = "/etc/posthaste";
const minimal = 'hostname = "mail.example.org"\ndata_dir = "data"\n\n[[listener]]\nkind = "mx"\n';
const example = readFileSync(new URL("../../../docs/settings/posthaste.example.toml", import.meta.url));

const tomlWords = [
  "\n", "\r\n", "[", "]", "[[", "]]", "{", "}", "=", " = ", ".", ",", "\"", "\"\"\"", "'", "'''", "\\", "\\u0000", "\\uD800", "#", "true", "0x1f", "1e999", "-nan", "1979-05-27T07:32:00Z", "\0", "\xff", "\xef\xbb\xbf", "__proto__", "constructor", "\"\"",
  "[[listener]]\n", "kind = \"mx\"\n", "kind = \"submission\"\n", "listen = \"0.0.0.0:25\"\n", "[[domain]]\n", "name = \"example.org\"\n", "[[user]]\n", "[[route]]\n", "[[alias]]\n", "[limits]\n", "[queue]\n", "[tls]\n", "[admin]\n",
  "{ file = \"x\" }", "{ env = \"X\" }", "\"5m\"", "\"10 MB\"", "-1", "99999999999999999999",
]; // prettier-ignore

async function problemsOf(bytes: Buffer) {
  const files = new MemoryFiles();
  await files.makeDirectory(folder);
  await files.replaceFile(`${folder}/posthaste.toml`, bytes);
  try {
    await loadSettings(`${folder}/posthaste.toml`, {
      files,
      environment: { X: "secret" },
      importModule: () => Promise.reject(new Error("no modules here")),
    });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

const config: FuzzTarget = {
  name: "configuration",
  family: "config",
  seeds: () => [...texts(minimal), ...sections(example)],
  words: tomlWords,
  bytesMax: 2500,
  stretchMax: 64 * 1024,
  async run(input) {
    const lines = input.toString("utf8").split(/\r?\n/).length;
    const problems = await problemsOf(input);
    for (const { position, message, code, path } of problems) {
      assert.ok(message !== "" && message.length <= 2000, "a message that can be read");
      assert.ok(position === undefined || (position.line >= 1 && position.line <= lines + 1 && position.column >= 1));
      // What is not there has no place; what is wrong has.
      if (code === "config-unknown-key" || (code === "config-syntax" && path.length > 0)) assert.ok(position);
    }
    assert.equal(Object.keys({}).length + Object.keys(Object.prototype).length, 0, "nothing reached other objects");
  },
};

/** The example in pieces, each behind what every file needs. */
function sections(text: Buffer): readonly Buffer[] {
  return text
    .toString("latin1")
    .split(/\n(?=#? ?\[)/)
    .map((section) => Buffer.from(`${minimal}\n${section.replaceAll(/^# (?=\w+ = )/gm, "")}\n`, "latin1"))
    .filter((bytes) => bytes.length < 2500);
}

const toml: FuzzTarget = {
  name: "toml",
  family: "config",
  seeds: () =>
    texts(
      minimal,
      "a.b = { c = [1, 2.5, { d = \"\\u00e9\" }] }\n[x.\"y z\"]\nt = 1979-05-27\n[[q]]\n[[q.r]]\nm = '''\n'x'''\n",
    ),
  words: tomlWords,
  bytesMax: 1000,
  stretchMax: 32 * 1024,
  run(input) {
    const text = input.toString("utf8");
    try {
      const { value, positionOf } = parseTomlDocument(text);
      for (const key of Object.keys(value)) assert.ok(positionOf([key])?.line !== undefined, key);
    } catch (error) {
      if (!(error instanceof TomlSyntaxError)) throw error;
      assert.ok(error.position.line >= 1 && error.position.column >= 1);
    }
  },
};

const records = Array.from({ length: 12 }, (_, index) => Buffer.from(`record ${index} ${"x".repeat(index * 7)}`));
const told = records.map(String);
const directory = "/spool";
const place = (number: number) => `${directory}/journal-0000000${number}`;

/** Two files, each in its format, the second begun behind the first. */
async function journalFiles(first: JournalFormat, second: JournalFormat): Promise<readonly [Buffer, Buffer]> {
  const files = new MemoryFiles();
  for (const [format, part] of [
    [first, records.slice(0, 6)],
    [second, records.slice(6)],
  ] as const) {
    const opened = await Journal.open(files, directory, () => undefined, format);
    await opened.append(part);
    await opened.close();
  }
  const read = async (number: number) => Buffer.from(await files.readFile(place(number)));
  return [await read(1), await read(2)];
}
const journals = [await journalFiles(1, 1), await journalFiles(2, 2), await journalFiles(1, 2)] as const;

/** Of a file, with its frame. */
function firstRecord(file: Buffer): Buffer {
  return file.subarray(0, 8 + file.readUInt32LE(0));
}
/** A mutation may repeat what a file begins with. */
const whole = new Set([...told, ...journals.flat().map((file) => firstRecord(file).toString("latin1", 8))]);

/** Undefined where it is refused, which leaves everything as it is. */
async function recordsIn(files: MemoryFiles, knows?: JournalFormat): Promise<string[] | undefined> {
  const seen: string[] = [];
  const before = await octetsIn(files);
  try {
    await Journal.open(files, directory, (record) => void seen.push(record.toString()), knows);
    return seen;
  } catch (error) {
    if (!(error instanceof SpoolError)) throw error;
    assert.deepEqual(await octetsIn(files), before);
    return undefined;
  }
}

async function octetsIn(files: MemoryFiles): Promise<readonly Uint8Array[]> {
  return await Promise.all(files.paths.map((path) => files.readFile(path)));
}

/** The first octet says which of the journals it is and what is damaged; the others are what stands there instead. */
const journal: FuzzTarget = {
  name: "journal",
  family: "queue files",
  seeds: () => [
    ...journals.flatMap(([older, newer], index) => [
      Buffer.concat([Buffer.of(4 * index), newer]),
      Buffer.concat([Buffer.of(4 * index + 1), older]),
      Buffer.concat([Buffer.of(4 * index + 2), older]),
    ]),
    Buffer.from('\x03{"previous":0,"counts":0}\nrecord 0 \nnew\n'),
    Buffer.from('\x03{"previous":1,"counts":9}\nrecord 0 \n'),
    Buffer.from('\x07{"format":2,"previous":0,"counts":0,"checksum":0}\nrecord 0 \nnew\n'),
    Buffer.from('\x07{"format":3,"previous":0}\nrecord 0 \n'),
  ],
  words: [
    "\0\0\0\0", "\x01\0\0\0", "\xff\xff\xff\xff", "\xff\xff\xff\x0f", "{\"previous\":1,\"counts\":30}", "{\"previous\":2,\"counts\":1}", "{\"format\":2,", ",\"checksum\":0}", "{}", "null", "[]", "-1", "1e99", "\n", "record 1 xxxxxxx",
  ], // prettier-ignore
  bytesMax: 1500,
  stretchMax: 256 * 1024,
  async run(input) {
    const kind = input[0] ?? 0;
    const index = (kind >> 2) % journals.length;
    const [older, newer] = journals[index] ?? journals[0];
    const damaged = input.subarray(1);
    const files = new MemoryFiles();
    await files.makeDirectory(directory);
    let check = (seen: readonly string[]) => assert.ok(seen.every((record) => whole.has(record)));
    switch (kind % 4) {
      case 0:
      case 1: {
        const isSecond = kind % 4 === 0;
        const sound = isSecond ? newer : older;
        if (isSecond) await files.replaceFile(place(1), older);
        await files.replaceFile(place(isSecond ? 2 : 1), damaged);
        const first = firstRecord(sound);
        // In format 2 it ends where it is no more what it was.
        const isChained = index > 0 && (isSecond || index === 1) && damaged.subarray(0, first.length).equals(first);
        if (isChained) check = (seen) => assert.deepEqual(seen, told.slice(0, Math.max(seen.length, isSecond ? 6 : 0)));
        break;
      }
      case 2:
        await files.replaceFile(place(1), damaged);
        await files.replaceFile(place(2), newer);
        if (index > 0) check = (seen) => assert.deepEqual(seen, told, "a former file is whole, or refused");
        break;
      default: {
        // Sound frames around whatever stands in them.
        const lines = damaged.toString("latin1").split("\n").filter(Boolean);
        const contents = lines.map((line) => Buffer.from(line, "latin1"));
        await files.replaceFile(place(1), framed(contents, index === 0 ? 1 : 2, 0).bytes);
        check = () => undefined;
      }
    }
    const seen = await recordsIn(files);
    if (seen === undefined) return;
    check(seen);
    // What is added now is there the next time, behind what was there, and for an older program too.
    const opened = await Journal.open(files, directory, () => undefined);
    await opened.append([Buffer.from("new")]);
    await opened.close();
    assert.deepEqual(await recordsIn(files), [...seen, "new"]);
    await downgradeJournal(files, directory, 1);
    assert.deepEqual(await recordsIn(files, 1), [...seen, "new"]);
  },
};

const question: Question = { name: "example.org", type: "MX" };
const types: readonly RecordType[] = ["A", "AAAA", "MX", "TXT", "PTR", "CNAME", "TLSA"];

function answer(answers: packet.Answer[], more: Partial<packet.Packet> = {}): Buffer {
  return packet.encode({
    type: "response",
    id: 1,
    flags: packet.RECURSION_DESIRED,
    questions: [{ name: question.name, type: "MX", class: "IN" }],
    answers,
    ...more,
  });
}

const dns: FuzzTarget = {
  name: "dns-answers",
  family: "DNS",
  seeds: () => [
    answer([
      { type: "CNAME", name: "example.org", ttl: 60, data: "b.example.org" },
      { type: "MX", name: "b.example.org", ttl: 30, data: { preference: 10, exchange: "mx.example.org" } },
    ]),
    answer([{ type: "TXT", name: "example.org", ttl: 60, data: ["v=spf1", " -all"] }]),
    answer([
      { type: "A", name: "example.org", ttl: 60, data: "192.0.2.1" },
      { type: "AAAA", name: "example.org", ttl: 60, data: "2001:db8::1" },
      { type: "PTR", name: "example.org", ttl: 60, data: "x.test" },
      {
        type: "TLSA",
        name: "example.org",
        ttl: 60,
        data: { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32) },
      },
    ]),
    answer([], {
      authorities: [
        {
          type: "SOA",
          name: "org",
          ttl: 60,
          data: { mname: "a.test", rname: "b.test", serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 5 },
        },
      ],
      additionals: [
        {
          type: "OPT",
          name: ".",
          udpPayloadSize: 1232,
          extendedRcode: 1,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: [],
        },
      ],
    }),
  ],
  words: [
    "\xc0\x0c", "\xc0\0", "\xff\xff", "\0", "\0\x01", "\0\x05", "\0\x0f", "\0\x10", "\0\x1c", "\0\x29", "\0\x34", "\x3f", "\x40", "\x80", "\x07example\x03org\0", "\x01a\xc0\x0c", "\x81\x80", "\x81\x83", "\x00\x01\x00\x01",
  ], // prettier-ignore
  bytesMax: 1232,
  stretchMax: 65_535,
  run(input) {
    // Mutations seldom leave the first octets whole; what stands behind them is what matters.
    const bytes =
      input.length > 12 && input.length % 4 !== 0 ? Buffer.concat([Buffer.from([0, 1]), input.subarray(2)]) : input;
    for (const type of types) {
      const asked = { name: question.name, type };
      const reading = readReply(bytes, 1, asked);
      if (reading.kind !== "reply") continue;
      const chain = followChain(reading.reply, asked.name, type, 8);
      if (chain.kind === "too-long") continue;
      assert.ok(chain.ttlSeconds >= 0 && chain.ttlSeconds < 2 ** 31);
      if (chain.kind === "end") assert.ok(chain.links <= 8);
    }
    // The same question as is asked above for MX, read as if it had been asked for: every type's reader is tried.
    const reading = readReply(bytes, 1, question);
    if (reading.kind === "reply") for (const type of types) followChain(reading.reply, question.name, type, 8);
  },
};

export const fileTargets: readonly FuzzTarget[] = [config, toml, journal, dns];
