/** ARC: chains of up to four sets, sealed by us, by mailauth, or put together at random; then changed. */
import { authenticate } from "mailauth";
import { arc } from "mailauth/lib/arc/index.js";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { now, seal, takeApart, validate } from "../../src/testing/arc-fixture.ts";
import type { ArcOutcome } from "../../src/arc/arc-outcome.ts";
import { BodyHashes } from "../../src/dkim/body-hashes.ts";
import { headerHashInput, relaxedHeaderField } from "../../src/dkim/canonicalization.ts";
import { signData } from "../../src/dkim/signer.ts";
import type { SigningKey } from "../../src/dkim/signing-key.ts";
import type { HeaderSection } from "../../src/message/header-section.ts";
import { resolverOf, type ZoneData } from "../../src/testing/conformance-dns.ts";
import type { StaticResolver } from "../../src/testing/static-resolver.ts";
import { TestCrypto } from "../../src/testing/test-crypto.ts";
import { knownArcDifference } from "./arc-differences.ts";
import type { Choices } from "./choices.ts";
import type { Comparison } from "./comparison.ts";
import { ed25519Keys, rsaKeys } from "./keys.ts";
import { field, generateMessage, mutateMessage, textOf } from "./messages.ts";
import { nodeResolver } from "./oracle-dns.ts";

const crypto = new TestCrypto();
const setFields = ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"] as const;

export async function compareArc(choices: Choices): Promise<Comparison> {
  const zones: Record<string, ZoneData[string]> = {};
  const message = generateMessage(choices, "author.test");
  if (!message.fields.some((each) => /^from/i.test(each))) message.fields.push("From: a@author.test\r\n");
  let content = textOf(message).toString("utf8");
  const hops = choices.mostly([1, 2, 3, 4, 0].slice(choices.int(4)), 0.9);
  for (let hop = 1; hop <= hops; hop++) {
    const {
      key: keyObject,
      algorithm,
      pem,
      record,
    } = choices.chance(0.1) ? choices.pick(rsaKeys) : choices.pick(ed25519Keys);
    const key: SigningKey = { domain: `hop${hop}.test`, selector: "arc", algorithm, key: keyObject };
    zones[`arc._domainkey.${key.domain}`] = { TXT: [[record]] };
    const resolver = resolverOf(zones);
    if (choices.chance(0.15))
      content = content.replace(/\r\n\r\n/, choices.pick(["\r\nX-Added: 1\r\n\r\n", "\r\n\r\nfooter\r\n"]));
    const sealed = await sealBySomeone(choices, content, { key, pem, resolver, hop });
    content = sealed;
  }
  content = mutateChain(choices, content);
  if (choices.chance(0.1)) changeKeys(choices, zones);
  const resolver = resolverOf(zones);

  const ours = await validate(content, resolver);
  const verified = await dkimVerify(Buffer.from(content), {
    resolver: nodeResolver(resolver) as never,
    strict: true,
    curTime: new Date(now),
  } as never);
  const theirs = await arc((verified as never as { arc: never }).arc, {
    resolver: nodeResolver(resolver) as never,
    strict: true,
  } as never);
  const status = (theirs as { status: { result: string; comment?: string } } | false) || { status: { result: "none" } };
  const { result, comment = "" } = status.status as { result: string; comment?: string };
  const input = (): string => JSON.stringify({ content, zones, reason: ours.detail, comment }, null, 1);
  return { ours: ours.result, theirs: result, input, known: knownArcDifference({ ours, comment, content }) };
}

interface Sealing {
  readonly key: SigningKey;
  readonly pem: string;
  readonly resolver: StaticResolver;
  readonly hop: number;
}

async function sealBySomeone(choices: Choices, content: string, { key, pem, resolver, hop }: Sealing): Promise<string> {
  switch (choices.int(4)) {
    case 0: {
      const { headers } = await authenticate(content, {
        ip: "192.0.2.1",
        helo: "mail.test",
        sender: "a@author.test",
        mta: `mx.${key.domain}`,
        resolver: nodeResolver(resolver) as never,
        strict: true,
        disableBimi: true,
        disableDmarc: true,
        seal: { signingDomain: key.domain, selector: key.selector, privateKey: pem, signTime: new Date(now) },
      } as never);
      return `${onlySet(headers)}${content}`;
    }
    case 1:
      return `${await craftedSet(choices, content, key, hop)}${content}`;
    default: {
      const arcOutcome = choices.chance(0.1) ? forced(choices, await validate(content, resolver)) : undefined;
      return await seal(content, resolver, { key, ...(arcOutcome !== undefined && { arc: arcOutcome }) });
    }
  }
}

/** What a host says that does not look, or lies. */
function forced(choices: Choices, outcome: ArcOutcome): ArcOutcome {
  return { ...outcome, result: choices.pick(["pass", "fail", "none"]) };
}

/** The three fields out of all that mailauth would prepend. */
function onlySet(headers: string): string {
  const fields = headers.split(/\r?\n(?![ \t])/).filter((text) => /^ARC-/i.test(text));
  return fields.map((text) => `${text.replaceAll(/\r?\n/g, "\r\n")}\r\n`).join("");
}

/** Any three fields that the grammar allows, and some that it does not, with true signatures. */
async function craftedSet(choices: Choices, content: string, key: SigningKey, hop: number): Promise<string> {
  const { header, rest } = takeApart(content);
  const seconds = now / 1000;
  const instance = choices.mostly([String(hop), `0${hop}`, String(hop + 1), "0", "x", "51", "001"], 0.94);
  const results = `ARC-Authentication-Results:${choices.pick(["", " ", "\r\n "])}i${choices.mostly(["=", " = "])}${instance}${choices.mostly(["; ", ";", " ;\r\n "])}mx.${key.domain}${choices.mostly(["; spf=pass", "; none", "", " 1; dkim=pass (x;y) header.d=a.test"])}\r\n`;
  const form = choices.mostly(["relaxed/relaxed", "", "simple/simple", "relaxed", "simple/relaxed", "x/y"], 0.6);
  const [headerForm = "", bodyForm = ""] = form.split("/");
  const bodies = new BodyHashes();
  const bodyHash = bodies.request(bodyForm === "relaxed" ? "relaxed" : "simple", "sha256");
  bodies.push(rest);
  bodies.end();
  const names = choices.mostly(
    [
      "from:to:subject",
      "from",
      "to",
      "from:arc-seal",
      "from:arc-message-signature",
      "from:arc-authentication-results",
      "from:authentication-results",
      "from:dkim-signature",
      "From : Subject",
      "from:",
    ],
    0.7,
  );
  const optional = (probability: number, text: string): string => (choices.chance(probability) ? text : "");
  const tags = (list: readonly string[]): string =>
    (choices.chance(0.1) ? choices.shuffled(list) : list)
      .filter((tag) => tag !== "")
      .join(choices.pick(["; ", ";", ";\r\n "]));
  const drop = choices.chance(0.03) ? choices.int(6) : -1;
  const messageTags = [
    `i=${choices.mostly([instance, "1", "9"], 0.98)}`,
    `a=${choices.mostly([key.algorithm, key.algorithm.toUpperCase(), "rsa-sha1"], 0.97)}`,
    form === "" ? "" : `c=${form}`,
    `d=${choices.mostly([key.domain, key.domain.toUpperCase()], 0.95)}`,
    `s=${key.selector}`,
    `h=${names}`,
    `bh=${bodyHash.digest().toString("base64")}`,
    optional(
      0.5,
      `t=${choices.pick([String(seconds), String(seconds + 500), "x"].slice(0, choices.chance(0.9) ? 2 : 3))}`,
    ),
    optional(0.05, "v=1"),
    optional(0.05, `x=${choices.pick([String(seconds - 5), String(seconds + 5)])}`),
    optional(0.05, `l=${choices.int(20)}`),
    optional(0.05, "unknown=1"),
  ].filter((_, index) => index !== drop);
  const unsignedMessage = `ARC-Message-Signature: ${tags(messageTags)}; b=`;
  const messageData = headerHashInput({
    header,
    names: names.split(":").map((name) => name.trim().toLowerCase()),
    canonicalization: headerForm === "relaxed" ? "relaxed" : "simple",
    signatureField: Buffer.from(unsignedMessage),
  });
  const messageSignature = `${unsignedMessage}${(await signData(key, messageData, crypto)).toString("base64")}\r\n`;
  const cv = choices.mostly([hop === 1 ? "none" : "pass", "none", "pass", "fail", "PASS", "", "None"], 0.9);
  const sealTags = [
    `i=${choices.mostly([instance, "1", "9"], 0.98)}`,
    `a=${choices.mostly([key.algorithm, key.algorithm.toUpperCase(), "rsa-sha1"], 0.97)}`,
    `cv=${cv}`,
    `d=${key.domain}`,
    `s=${choices.mostly([key.selector, key.selector.toUpperCase()], 0.96)}`,
    optional(0.5, `t=${seconds}`),
    optional(0.04, "h=from"),
    optional(0.04, "bh=AAAA"),
    optional(0.04, "c=relaxed/relaxed"),
    optional(0.04, "unknown=1"),
    optional(0.02, "i=1"),
  ].filter((_, index) => index !== drop);
  const unsignedSeal = `ARC-Seal: ${tags(sealTags)}; b=`;
  const sealData = Buffer.concat([
    ...earlierSets(header, hop),
    relaxedHeaderField(Buffer.from(results)),
    relaxedHeaderField(Buffer.from(messageSignature)),
    relaxedHeaderField(Buffer.from(unsignedSeal)),
  ]);
  const end = sealData.subarray(-2).equals(Buffer.from("\r\n")) ? sealData.length - 2 : sealData.length;
  const sealed = (await signData(key, sealData.subarray(0, end), crypto)).toString("base64");
  return `${unsignedSeal}${sealed}\r\n${messageSignature}${results}`;
}

function earlierSets(header: HeaderSection, hop: number): Buffer[] {
  const parts: Buffer[] = [];
  for (let instance = 1; instance < hop; instance++) {
    for (const name of ["arc-authentication-results", "arc-message-signature", "arc-seal"]) {
      const found = header
        .all(name)
        .find(({ value }) => new RegExp(`(?:^|;)\\s*i\\s*=\\s*0?${instance}\\s*;`).test(value));
      if (found !== undefined) parts.push(relaxedHeaderField(found.raw));
    }
  }
  return parts;
}

function mutateChain(choices: Choices, content: string): string {
  if (choices.chance(0.55)) return content;
  const split = content.indexOf("\r\n\r\n");
  if (split === -1) return content;
  let fields = content.slice(0, split + 2).split(/(?<=\r\n)(?![ \t])/);
  let body = content.slice(split + 4);
  const ofSet = fields.flatMap((text, index) => (/^ARC-/i.test(text) ? [index] : []));
  const at = ofSet.length === 0 ? 0 : choices.pick(ofSet);
  const chosen = fields[at] ?? "";
  switch (choices.int(10)) {
    case 0:
      fields.splice(at, 1);
      break;
    case 1:
      fields.splice(at, 0, chosen);
      break;
    case 2:
      fields = choices.shuffled(fields);
      break;
    case 3:
      fields[at] = chosen.replaceAll(/; ?/g, choices.pick(["; ", ";  ", ";\r\n ", " ; "]));
      break;
    case 4:
      fields[at] = chosen.replace(/\bi=\d+/, `i=${choices.int(5)}`);
      break;
    case 5:
      fields[at] = chosen.replace(/cv=\w+/, `cv=${choices.pick(["none", "pass", "fail"])}`);
      break;
    case 6:
      fields[at] = chosen.replace(/^[^:]+/, (name) =>
        choices.pick([name.toUpperCase(), name.toLowerCase(), `${name} `]),
      );
      break;
    case 7:
      fields[at] = chosen.replace(/\r\n$/, choices.pick([" \r\n", ";\r\n", "x\r\n", "; x=y\r\n"]));
      break;
    case 8:
      fields.push(field(choices, choices.pick([...setFields, "Subject", "X-Other"])));
      break;
    default: {
      const message = { fields, body };
      mutateMessage(choices, message);
      ({ fields, body } = message);
    }
  }
  return `${fields.join("")}\r\n${body}`;
}

function changeKeys(choices: Choices, zones: Record<string, ZoneData[string]>): void {
  const names = Object.keys(zones);
  if (names.length === 0) return;
  const name = choices.pick(names);
  const text = zones[name]?.TXT?.[0]?.[0] ?? "";
  zones[name] = choices.pick<ZoneData[string]>([
    { rcode: "SERVFAIL" },
    { TXT: [] },
    { TXT: [[text.replace(/p=.*/, "p=")]] },
    { TXT: [[`${text}; t=s`]] },
    { TXT: [[`${text}; h=sha1`]] },
    { TXT: [[`${text}; s=other`]] },
    { TXT: [[text], [text]] },
  ]);
}
