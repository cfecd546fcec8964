/** DKIM: the collected messages with their DNS, octets changed at random. */
import { readFileSync } from "node:fs";
import { conformancePath, noConformanceData } from "../../src/testing/conformance-data.ts";
import type { ZoneData } from "../../src/testing/conformance-dns.ts";
import type { Choices } from "./choices.ts";
import type { Comparison } from "./comparison.ts";
import { judgeDkim } from "./dkim-judges.ts";
import { withoutBareLineEnds } from "./messages.ts";

interface Collected {
  readonly content: Buffer;
  readonly zones: ZoneData;
  readonly now: number;
}

const collected = readCollected();

export async function compareCollectedDkim(choices: Choices): Promise<Comparison> {
  if (collected.length === 0) throw new Error(`${noConformanceData}: there are no collected messages`);
  const { content, zones, now } = choices.pick(collected);
  return await judgeDkim(choices.chance(0.25) ? content : changed(choices, content), zones, now);
}

function changed(choices: Choices, content: Buffer): Buffer {
  let text = content.toString("latin1");
  for (let change = choices.int(3); change >= 0; change--) {
    const split = text.indexOf("\r\n\r\n");
    // Header sections are where the rules are.
    const at = choices.int(choices.chance(0.7) && split > 0 ? split : text.length);
    const before = text.slice(0, at);
    const after = text.slice(at);
    switch (choices.int(6)) {
      case 0:
        text = before + choices.pick([" ", "\t", ";", "=", ":", "x", "\r\n ", "\r\n"]) + after;
        break;
      case 1:
        text = before + after.slice(1);
        break;
      case 2:
        text = before + String.fromCharCode(0x20 + choices.int(0x5f)) + after.slice(1);
        break;
      case 3:
        text = before + after.replace(/[ \t]+/, (white) => choices.pick([" ", "  ", "\t", white, ""]));
        break;
      case 4:
        text =
          before +
          after.replace(/[a-z]/i, (letter) =>
            letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
          );
        break;
      default: {
        const lines = text.split(/(?<=\r\n)(?![ \t])/);
        const line = choices.int(lines.length);
        lines.splice(choices.int(lines.length), 0, lines[line] ?? "");
        text = lines.join("");
      }
    }
  }
  return Buffer.from(withoutBareLineEnds(text), "latin1");
}

function readCollected(): readonly Collected[] {
  const folder = conformancePath("dkim");
  if (folder === undefined) return [];
  const read = (name: string): unknown => JSON.parse(readFileSync(`${folder}/${name}`, "utf8"));
  const { default_now, cases } = read("cases.json") as {
    readonly default_now: number;
    readonly cases: readonly { readonly file: string; readonly dns: string; readonly now?: number }[];
  };
  const zones = new Map<string, ZoneData>();
  return cases.flatMap(({ file, dns, now }) => {
    const zone = zones.get(dns) ?? (read(dns) as ZoneData);
    zones.set(dns, zone);
    const content = readFileSync(`${folder}/${file}`);
    return content.length > 20_000 ? [] : [{ content, zones: zone, now: (now ?? default_now) * 1000 }];
  });
}
