/**
 * The decoder against tables, against the collected smuggling sequences, and against a reference that knows only one octet
 * at a time, for any cut of the input.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readVectors } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { ContentDecoder } from "./content-decoder.ts";

type Mode = "refuse" | "repair";

interface Decoded {
  readonly content: string;
  readonly rest: string;
  readonly ended: boolean;
  readonly size: number;
  readonly bareLineEnd: string | undefined;
}

/** Decodes pieces one after another; everything latin1. */
function decode(pieces: readonly string[], mode: Mode = "refuse"): Decoded {
  const decoder = new ContentDecoder({ bareLineEnds: mode });
  const slices: Uint8Array[] = [];
  let rest = "";
  for (const piece of pieces) {
    if (decoder.ended) {
      rest += piece;
      continue;
    }
    // Not at index 0, so that a mix-up of index and length shows.
    const chunk = Buffer.from(`##${piece}`, "latin1");
    rest += chunk.toString("latin1", decoder.decode(chunk, 2, slices));
  }
  const { ended, size, bareLineEnd } = decoder;
  return { content: Buffer.concat(slices).toString("latin1"), rest, ended, size, bareLineEnd };
}

/** The rules in their plainest form: the wire as lines that end in CRLF. */
function reference(wire: string, mode: Mode): Decoded {
  const end = wire.startsWith(".\r\n") ? 0 : wire.indexOf("\r\n.\r\n") + 2;
  const ended = end !== 1;
  const sent = ended ? wire.slice(0, end) : wire;
  const unstuffed = sent.replace(/^\./, "").replaceAll("\r\n.", "\r\n");
  const bare = /\r(?!\n)|(?<!\r)\n/.exec(sent)?.[0];
  const content = mode === "repair" ? repair(sent) : unstuffed;
  return {
    content,
    rest: ended ? wire.slice(end + 3) : "",
    ended,
    size: content.length,
    bareLineEnd: bare === undefined ? undefined : bare === "\r" ? "CR" : "LF",
  };
}

function repair(sent: string): string {
  // Genuine line ends first become a mark, so that repaired ones cannot be taken for them.
  return sent
    .replaceAll("\r\n", "\u0100")
    .replace(/(^|\u0100)\./g, "$1")
    .replaceAll("\n..", "\n.")
    .replace(/[\r\n]/g, "\r\n")
    .replaceAll("\u0100", "\r\n");
}

test("SMTP-038: exactly one leading dot goes from each line; a lone dot ends", () => {
  assert.equal(decode(["..\r\n...\r\n.x\r\ny.\r\n.\r\n"]).content, ".\r\n..\r\nx\r\ny.\r\n");
});

test("SMTP-039: the CRLF before the final dot belongs to the last line, and nothing is added", () => {
  assert.deepEqual(decode(["a\r\n\r\n.\r\nQUIT\r\n"]), {
    content: "a\r\n\r\n",
    rest: "QUIT\r\n",
    ended: true,
    size: 5,
    bareLineEnd: undefined,
  });
  assert.deepEqual(decode([".\r\nNOOP"]), { content: "", rest: "NOOP", ended: true, size: 0, bareLineEnd: undefined });
});

test("EXT-005: octets are counted without the dots of transparency", () => {
  assert.equal(decode([`${"..\r\n".repeat(1000)}.\r\n`]).size, 3000);
});

test("EXT-013: all octet values pass unchanged", () => {
  const all = String.fromCharCode(...Array(256).keys())
    .replace("\n", "")
    .replace("\r", "");
  assert.equal(decode([`${all}\r\n.\r\n`]).content, `${all}\r\n`);
});

const sequences = [
  "\n.\n", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r", "\r.\r\n", "\r\r\n.\r\r\n", "\r.\n", "\n.\r", "\r\n\0.\r\n",
  "\r\n.\0\r\n", "\r\n.\r\r\n", "\r\n.\r\0\n", "\r\n .\r\n", "\r\n. \r\n", "\r\n..\r\n", "\u0085.\u0085", "\v.\v", "\f.\f",
  "\n..\n", "\n..\r\n", "\r..\r\n", "\n...\r\n", "\r\n\r.\r\n", "\r\n\n.\r\n", "\r\0\n.\r\n", "\r\n.\t\r\n", "\n\r.\n\r", "\r\n=2E\r\n", "\0\r\n.\r\0\n",
]; // prettier-ignore

test("SMUG-001 SMUG-002 SMUG-003 SMUG-004 SMUG-005 trap 1 trap 2: nothing but CRLF.CRLF ends data, cut anywhere", () => {
  for (const sequence of sequences) {
    const forged = "MAIL FROM:<e@x>\r\nRCPT TO:<y@z>\r\nDATA\r\nforged";
    const wire = `Subject: x\r\n\r\nbody${sequence}${forged}\r\n.\r\nNOOP\r\n`;
    for (const mode of ["refuse", "repair"] as const) {
      const whole = decode([wire], mode);
      assert.deepEqual(whole, reference(wire, mode), JSON.stringify(sequence));
      assert.equal(whole.rest, "NOOP\r\n", JSON.stringify(sequence));
      assert.ok(whole.content.endsWith("forged\r\n"));
      for (let cut = 0; cut <= wire.length; cut++) {
        assert.deepEqual(
          decode([wire.slice(0, cut), wire.slice(cut)], mode),
          whole,
          `${JSON.stringify(sequence)} ${cut}`,
        );
      }
      assert.deepEqual(decode([...wire], mode), whole, JSON.stringify(sequence));
    }
  }
});

test("trap 3: repair makes CRLF of bare line ends and never an end of data", () => {
  assert.deepEqual(decode(["a\r.\rb\n.\nc\r.\r\nd\r\n.\r\n"], "repair"), {
    content: "a\r\n.\r\nb\r\n.\r\nc\r\n.\r\nd\r\n",
    rest: "",
    ended: true,
    size: 21,
    bareLineEnd: "CR",
  });
  assert.equal(decode(["\n.x\r\n.\r\n"], "repair").content, "\r\n.x\r\n");
  assert.equal(decode([".\r\r\n.\r\n"], "repair").content, "\r\n\r\n");
});

test("of two dots behind a bare LF one goes, for programs that send LF double it there; a single one stays", () => {
  const repaired = (wire: string) => decode([`${wire}\r\n.\r\n`], "repair").content;
  assert.equal(repaired("a\n..b\n.c\n...d\n..\n.\ne"), "a\r\n.b\r\n.c\r\n..d\r\n.\r\n.\r\ne\r\n");
  // Where the octet before is a bare CR, nobody doubles it.
  assert.equal(repaired("a\r..b"), "a\r\n..b\r\n");
});

test("where the first bare CR stands in the repaired content is told, for any cut", () => {
  for (const [wire, expected] of [
    ["a\r\nb\n\r\n.\r\n", undefined],
    ["..a\nb\rc\rd\r\n.\r\n", 5],
    ["\r\r\n.\r\n", 0],
    [".\rx\r\n.\r\n", 0],
  ] as const) {
    for (let cut = 0; cut <= wire.length; cut++) {
      const decoder = new ContentDecoder({ bareLineEnds: "repair" });
      const slices: Uint8Array[] = [];
      for (const piece of [wire.slice(0, cut), wire.slice(cut)]) decoder.decode(Buffer.from(piece), 0, slices);
      assert.equal(decoder.firstBareCr, expected, `${JSON.stringify(wire)} ${cut}`);
      if (expected !== undefined) assert.equal(Buffer.concat(slices)[expected], 0x0d);
    }
  }
});

test("ordinary content is passed through as views, not copied", () => {
  const chunk = Buffer.from("Subject: x\r\n\r\n..body\r\nmore\r\n.\r\n");
  const slices: Uint8Array[] = [];
  new ContentDecoder({ bareLineEnds: "repair" }).decode(chunk, 0, slices);
  assert.equal(slices.length, 2);
  for (const slice of slices) assert.equal(slice.buffer, chunk.buffer);
});

test("a chunk full of dotted lines becomes one copy, not thousands of views", () => {
  for (const line of ["..\r\n", "\r"]) {
    const slices: Uint8Array[] = [];
    const decoder = new ContentDecoder({ bareLineEnds: "refuse" });
    decoder.decode(Buffer.from("\r"), 0, slices);
    decoder.decode(Buffer.from(line.repeat(10_000)), 0, slices);
    assert.ok(slices.length < 5);
  }
});

const hostileOctets = fc.string({
  unit: fc.constantFrom("\r", "\n", ".", "\r\n", "\r\n.", "\r\n.\r\n", "a", "\0", "..", "ÿ"),
  maxLength: 80,
});

test("property: same result as the reference, whole and for any cut", () => {
  fc.assert(
    fc.property(
      hostileOctets,
      fc.array(fc.nat({ max: 12 }), { maxLength: 60 }),
      fc.constantFrom<Mode>("refuse", "repair"),
      (wire, lengths, mode) => {
        const expected = reference(wire, mode);
        assert.deepEqual(decode([wire], mode), withoutLast(expected, wire, mode));
        const pieces: string[] = [];
        let position = 0;
        for (const length of lengths) pieces.push(wire.slice(position, (position += length)));
        pieces.push(wire.slice(position));
        assert.deepEqual(decode(pieces, mode), withoutLast(expected, wire, mode));
        assert.deepEqual(decode([...wire], mode), withoutLast(expected, wire, mode));
      },
    ),
    { numRuns: 3000 },
  );
});

/** What the reference says of a wire that stops early, less what the decoder cannot know yet: a last dot or CR. */
function withoutLast(expected: Decoded, wire: string, mode: Mode): Decoded {
  if (expected.ended) return expected;
  const lineStart = wire.slice(wire.lastIndexOf("\r\n") + (wire.includes("\r\n") ? 2 : 1));
  const withheld = lineStart === ".\r" ? 1 : 0;
  const lastCr = wire.endsWith("\r");
  const repaired = lastCr && mode === "repair" ? (withheld === 1 ? 2 : 1) : withheld;
  const content = expected.content.slice(0, expected.content.length - repaired);
  const complete = lastCr ? wire.slice(0, -1) : wire;
  const { bareLineEnd } = reference(complete, mode);
  return { ...expected, content, size: content.length, bareLineEnd };
}

interface TransparencyCase {
  readonly direction: "receive" | "send";
  readonly wire: string;
  readonly message?: string;
  readonly error?: string;
}

test("conformance: data transparency, whole, in two parts, octet by octet", async (t) => {
  const data = readVectors<{ readonly cases: readonly TransparencyCase[] }>(t, "smtp", "data-transparency.json");
  if (data === undefined) return;
  const nameOf = ({ direction, wire }: TransparencyCase): string => `${direction} ${JSON.stringify(wire)}`;
  await runVectors(t, "smtp/data-transparency, receiving", data.cases, nameOf, (vector) => {
    const { direction, wire, message, error } = vector;
    if (direction !== "receive") return { skipped: "sending" };
    const whole = decode([wire]);
    if (message !== undefined) assert.equal(whole.content, message);
    if (error === "bare-line-end") assert.notEqual(whole.bareLineEnd, undefined, JSON.stringify(wire));
    else if (error !== undefined) assert.equal(whole.ended, false);
    for (let cut = 0; cut <= wire.length; cut++) assert.deepEqual(decode([wire.slice(0, cut), wire.slice(cut)]), whole);
    assert.deepEqual(decode([...wire]), whole);
    return undefined;
  });
});

test("conformance: end-of-data sequences", async (t) => {
  interface Vector {
    readonly bytes_b64: string;
    readonly ends_data: boolean;
  }
  const cases = readVectors<readonly Vector[]>(t, "smtp", "end-of-data.json");
  if (cases === undefined) return;
  const nameOf = ({ bytes_b64 }: Vector): string => bytes_b64;
  await runVectors(t, "smtp/end-of-data, decoder", cases, nameOf, ({ bytes_b64, ends_data }) => {
    const sequence = Buffer.from(bytes_b64, "base64").toString("latin1");
    const legal = sequence.includes("\r\n.\r\n");
    const wire = `Subject: a\r\n\r\nbody${sequence}MAIL FROM:<e@x>\r\n\r\n.\r\nNOOP\r\n`;
    const decoded = decode([wire]);
    assert.equal(decoded.rest !== "NOOP\r\n", ends_data || legal);
    assert.deepEqual(decoded, reference(wire, "refuse"));
  });
});
