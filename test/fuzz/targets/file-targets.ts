/** Files and answers: the configuration, journals that a disk has damaged, and DNS messages as they come off the wire. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import packet from "dns-packet";
import { ConfigError } from "../../../src/config/config-problem.ts";
import { loadSettings } from "../../../src/config/load-settings.ts";
import { parseTomlDocument, TomlSyntaxError } from "../../../src/config/toml-document.ts";
import { followChain, readReply, type Question } from "../../../src/node/dns/dns-message.ts";
import type { RecordType } from "../../../src/ports/resolver.ts";
import { Journal } from "../../../src/spool/journal.ts";
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
/** With what the two files begin with, which a mutation may repeat. */
const known = new Set(["new", ...records.map(String), '{"previous":0,"counts":0}']);
const directory = "/spool";

/** Two files, the second begun behind the first. */
async function journalFiles(): Promise<readonly [Buffer, Buffer]> {
  const files = new MemoryFiles();
  const first = await Journal.open(files, directory, () => undefined);
  await first.append(records.slice(0, 6));
  await first.close();
  const second = await Journal.open(files, directory, () => undefined);
  await second.append(records.slice(6));
  await second.close();
  const read = async (number: number) => Buffer.from(await files.readFile(`${directory}/journal-0000000${number}`));
  return [await read(1), await read(2)];
}
const [oldFile, newFile] = await journalFiles();
known.add(newFile.toString("latin1", 8, 8 + newFile.readUInt32LE(0)));

async function replay(files: MemoryFiles): Promise<{ readonly journal: Journal; readonly seen: string[] }> {
  const seen: string[] = [];
  const journal = await Journal.open(files, directory, (record) => {
    seen.push(record.toString());
  });
  return { journal, seen };
}

const journal: FuzzTarget = {
  name: "journal",
  family: "queue files",
  seeds: () => [
    Buffer.concat([Buffer.of(1), oldFile]),
    Buffer.concat([Buffer.of(0), newFile]),
    Buffer.concat([Buffer.of(2), oldFile]),
    Buffer.from('\x03{"previous":0,"counts":0}\nrecord 0 \nnew\n'),
    Buffer.from('\x03{"previous":1,"counts":9}\nrecord 0 \n'),
  ],
  words: [
    "\0\0\0\0", "\x01\0\0\0", "\xff\xff\xff\xff", "\xff\xff\xff\x0f", "{\"previous\":1,\"counts\":30}", "{\"previous\":2,\"counts\":1}", "{}", "null", "[]", "-1", "1e99", "\n", "record 1 xxxxxxx",
  ], // prettier-ignore
  bytesMax: 1500,
  stretchMax: 256 * 1024,
  async run(input) {
    const files = new MemoryFiles();
    await files.makeDirectory(directory);
    const put = (number: number, bytes: Buffer) => files.replaceFile(`${directory}/journal-0000000${number}`, bytes);
    const damaged = input.subarray(1);
    switch ((input[0] ?? 0) % 4) {
      case 0:
        await put(1, oldFile);
        await put(2, damaged);
        break;
      case 1:
        await put(1, damaged);
        break;
      case 2:
        await put(1, damaged);
        await put(2, newFile);
        break;
      default: {
        // Sound frames around whatever stands in them.
        const lines = damaged.toString("latin1").split("\n").filter(Boolean);
        await put(1, Buffer.concat(lines.map((line) => framed(Buffer.from(line, "latin1")))));
      }
    }
    const { journal: opened, seen } = await replay(files);
    const sound = (input[0] ?? 0) % 4 < 3;
    if (sound) for (const record of seen) assert.ok(known.has(record), "nothing but what was written whole");
    // What is added now is there the next time, behind what was there.
    await opened.append([Buffer.from("new")]);
    await opened.close();
    const again = await replay(files);
    assert.deepEqual(again.seen, [...seen, "new"]);
  },
};

function framed(record: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(8);
  frame.writeUInt32LE(record.length, 0);
  frame.writeUInt32LE(crc32(record), 4);
  return Buffer.concat([frame, record]);
}

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
