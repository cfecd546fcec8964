/**
 * DKIM: random messages, signed by our signer, by mailauth's, or with a field put together at random; then changed on the
 * way, and the key record with it.
 */
import { dkimSign } from "mailauth/lib/dkim/sign.js";
import { BodyHashes } from "../../src/dkim/body-hashes.ts";
import { headerHashInput, type Canonicalization } from "../../src/dkim/canonicalization.ts";
import { MessageSigner, signData } from "../../src/dkim/signer.ts";
import type { ZoneData } from "../../src/testing/conformance-dns.ts";
import { TestCrypto } from "../../src/testing/test-crypto.ts";
import { takeApart } from "../../src/testing/arc-fixture.ts";
import type { Choices } from "./choices.ts";
import type { Comparison } from "./comparison.ts";
import { judgeDkim } from "./dkim-judges.ts";
import { ed25519Keys, rsaKeys, type OracleKey } from "./keys.ts";
import { generateMessage, mutateMessage, textOf, withoutBareLineEnds, type GeneratedMessage } from "./messages.ts";

const now = Date.UTC(2026, 0);
const domain = "example.test";
const selector = "sel";
const crypto = new TestCrypto();

export async function compareDkim(choices: Choices): Promise<Comparison> {
  // RSA takes most of a millisecond to sign.
  const key = choices.chance(0.15) ? choices.pick(rsaKeys) : choices.pick(ed25519Keys);
  const message = generateMessage(choices, choices.pick([domain, "other.test"]));
  const signature = await sign(choices, message, key);
  mutateMessage(choices, message);
  message.fields.unshift(withoutBareLineEnds(mutateSignature(choices, signature)));
  const zones = keyZone(choices, key);
  return await judgeDkim(textOf(message), zones, now);
}

async function sign(choices: Choices, message: GeneratedMessage, key: OracleKey): Promise<string> {
  const content = textOf(message);
  const signingKey = { domain, selector, algorithm: key.algorithm, key: key.key };
  const kind = choices.int(5);
  if (kind === 0) {
    const { header, rest } = takeApart(content);
    const bodies = new BodyHashes();
    const signer = MessageSigner.begin(header, bodies, { keys: [signingKey], crypto, now });
    if (signer !== undefined) {
      bodies.push(rest);
      bodies.end();
      return signer.finish();
    }
  }
  if (kind === 1) {
    const canonicalization = choices.pick(["relaxed/relaxed", "simple/simple", "relaxed/simple", "simple/relaxed"]);
    const { signatures } = await dkimSign(content, {
      signingDomain: domain,
      selector,
      privateKey: key.pem,
      canonicalization,
      signTime: new Date(now - 1000),
      ...(choices.chance(0.2) && { maxBodyLength: choices.int(40) }),
      ...(choices.chance(0.2) && { expires: new Date(now + choices.pick([-1000, 1000, 0])) }),
    } as never);
    if (signatures !== "") return signatures;
  }
  return craftedSignature(choices, content, signingKey);
}

/** Any field that the grammar allows, and some that it does not, with a true signature. */
async function craftedSignature(
  choices: Choices,
  content: Buffer,
  key: {
    readonly domain: string;
    readonly selector: string;
    readonly algorithm: OracleKey["algorithm"];
    readonly key: OracleKey["key"];
  },
): Promise<string> {
  const seconds = now / 1000;
  const form = choices.mostly(
    [
      "relaxed/relaxed",
      "",
      "simple",
      "relaxed",
      "simple/simple",
      "simple/relaxed",
      "relaxed/simple",
      "Relaxed/SIMPLE",
      "relaxed/",
      "nofws/simple",
      "relaxed/relaxed/x",
    ],
    0.4,
  );
  const [headerForm = "", bodyForm = ""] = form.toLowerCase().split("/");
  const length = choices.mostly(["", "0", "5", "10", "1000000", "x", "-1", "007"], 0.85);
  const names = choices.mostly(
    [
      "from:to:subject:date",
      "From : To:\r\n Subject",
      "from",
      "from:from:x-none",
      "to:subject",
      "from:",
      ":from",
      "from:to:to:cc:comments:x-thing",
      "",
      "from:dkim-signature",
      "from;to",
      "from:to\t:",
      "fr om",
    ],
    0.5,
  );
  const white = (): string => choices.mostly(["", " ", "\r\n ", "\t"], 0.8);
  const tag = (name: string, value: string): string => `${white()}${name}${white()}=${white()}${value}${white()}`;
  const bodyHash = hashOf(
    content,
    bodyForm === "relaxed" ? "relaxed" : "simple",
    /^\d+$/.test(length) ? Number(length) : undefined,
  );
  const optional = (probability: number, name: string, values: readonly string[]): string[] =>
    choices.chance(probability) ? [tag(name, choices.pick(values))] : [];
  const tags = [
    tag("v", choices.mostly(["1", "2", "1.0", "", "01"], 0.96)),
    tag(
      "a",
      choices.mostly(
        [
          key.algorithm,
          key.algorithm.toUpperCase(),
          "rsa-sha1",
          "ed25519-sha512",
          "rsa-sha256",
          "ed25519-sha256",
          "rsa",
        ],
        0.92,
      ),
    ),
    ...(form === "" ? [] : [tag("c", form)]),
    tag(
      "d",
      choices.mostly(
        [
          key.domain,
          key.domain.toUpperCase(),
          `${key.domain}.`,
          "sub.example.test",
          "",
          "exa mple.test",
          ".example.test",
        ],
        0.92,
      ),
    ),
    tag("s", choices.mostly([key.selector, "Sel", "se l", "", "other", "sel.", "a.b"], 0.93)),
    tag("h", names),
    tag(
      "bh",
      choices.mostly(
        [bodyHash, bodyHash.replace(/^(.{9})/, "$1\r\n "), bodyHash.replace(/=+$/, ""), "", "AAAA", `${bodyHash}=`],
        0.93,
      ),
    ),
    ...(length === "" ? [] : [tag("l", length)]),
    ...optional(0.4, "t", [
      String(seconds - 10),
      String(seconds),
      String(seconds + 1000),
      "0",
      "x",
      "999999999999",
      "9999999999999",
      "-5",
      "1.5",
    ]),
    ...optional(0.3, "x", [
      String(seconds + 10),
      String(seconds + 1000),
      String(seconds),
      String(seconds - 10),
      "x",
      "999999999999",
      "",
    ]),
    ...optional(0.25, "i", [
      "@example.test",
      "u@example.test",
      "u@Example.TEST",
      "u@sub.example.test",
      "@other.test",
      "example.test",
      "=75@example.test",
      '"q q"@example.test',
      "u@notexample.test",
      "@",
      "",
      "a@b@example.test",
    ]),
    ...optional(0.15, "q", ["dns/txt", "dns/txt:other", "other", "DNS/TXT", "", "other:dns/txt", "dns"]),
    ...optional(0.1, "z", ["From:a@b|To:c", "From:a=20b", ""]),
    ...optional(0.1, "y", ["z", "", "a=b=c"]),
    ...optional(0.03, choices.pick(["d", "a", "t", "y", "D", "A"]), [key.domain, "x"]),
    ...optional(0.02, choices.pick(["1a", "a-b", "a_b", "_a", ""]), ["x"]),
  ];
  const missing = choices.chance(0.04) ? choices.int(6) : -1;
  const kept = tags.filter((_, index) => index !== missing);
  const ordered = choices.chance(0.15) ? choices.shuffled(kept) : kept;
  const separator = choices.mostly(["; ", ";", ";\r\n ", " ;\t"], 0.7);
  const unsigned = `${choices.mostly(["DKIM-Signature", "dkim-signature", "DKIM-SIGNATURE "])}:${white() || " "}${ordered.join(separator)}${separator}b=`;
  const behind = choices.mostly(["", ";", "; ", ";;", " ; y=1"], 0.8);
  const { header } = takeApart(content);
  const data = headerHashInput({
    header,
    names: names.split(":").map((name) => name.trim().toLowerCase()),
    canonicalization: headerForm === "relaxed" ? "relaxed" : "simple",
    signatureField: Buffer.from(unsigned + behind, "latin1"),
  });
  const signature = (await signData(key, data, crypto)).toString("base64");
  const folded = choices.chance(0.5) ? signature.replaceAll(/.{30}(?=.)/g, "$&\r\n ") : signature;
  return `${unsigned}${folded}${behind}\r\n`;
}

function hashOf(content: Buffer, form: Canonicalization, lengthMax: number | undefined): string {
  const bodies = new BodyHashes();
  const hash = bodies.request(form, "sha256", lengthMax);
  bodies.push(takeApart(content).rest);
  bodies.end();
  return hash.digest().toString("base64");
}

function mutateSignature(choices: Choices, signature: string): string {
  if (choices.chance(0.75)) return signature;
  switch (choices.int(7)) {
    case 0:
      return signature.replace(/(\w)=(\S)/, (_, name: string, next: string) => `${name}= ${next}`);
    case 1:
      return signature.replaceAll(/\r\n[ \t]+/g, choices.pick(["", " ", "\r\n\t"]));
    case 2:
      return signature.replace(/\r\n$/, choices.pick([";\r\n", " \r\n", "; y=1\r\n", "=\r\n", "A\r\n"]));
    case 3:
      return signature.replace(/[A-Za-z0-9+/](?=[^A-Za-z0-9+/]*\r\n$)/, (octet) => (octet === "A" ? "B" : "A"));
    case 4:
      return signature.replace(/;[^;]*;/, ";");
    case 5:
      return signature.replace(/^[^:]+/, "DKIM-Signature");
    default: {
      const at = choices.int(signature.length - 18) + 15;
      return (
        signature.slice(0, at) + choices.pick(["", " ", ";", "=", "x", ":"]) + signature.slice(at + choices.int(2))
      );
    }
  }
}

function keyZone(choices: Choices, key: OracleKey): ZoneData {
  const name = `${selector}._domainkey.${domain}`;
  if (choices.chance(0.7)) return { [name]: { TXT: [[key.record]] } };
  if (choices.chance(0.1)) return choices.pick([{}, { [name]: { rcode: "SERVFAIL" } }, { [name]: { TXT: [] } }]);
  const [, type = "", p = ""] = /k=(\w+); p=(.*)/.exec(key.record) ?? [];
  const optional = (probability: number, values: readonly string[]): string[] =>
    choices.chance(probability) ? [choices.pick(values)] : [];
  const tags = [
    ...optional(0.8, ["v=DKIM1", "v = DKIM1", "v=DKIM1", "v=DKIM2", "v=dkim1"]),
    ...(type === "rsa" && choices.chance(0.5)
      ? []
      : [choices.mostly([`k=${type}`, "k=rsa", "k=ed25519", "k=dsa", `k=${type.toUpperCase()}`, "k="], 0.85)]),
    choices.mostly(
      [
        `p=${p}`,
        `p= ${p.slice(0, 20)} ${p.slice(20)}`,
        "p=",
        `p=${p.slice(4)}`,
        "p=!!!",
        `p=${p}=`,
        "",
        `p=${choices.pick(ed25519Keys).record.replace(/.*p=/, "")}`,
      ],
      0.8,
    ),
    ...optional(0.3, ["t=y", "t=s", "t=y:s", "t=s:y:x", "t=", "t= y : s"]),
    ...optional(0.3, ["h=sha256", "h=sha1", "h=sha1:sha256", "h=", "h=sha512", "h=SHA256"]),
    ...optional(0.3, ["s=*", "s=email", "s=other", "s=other:email", "s=", "s=Email"]),
    ...optional(0.2, ["n=note", "x=y", "g=*", "n="]),
    ...optional(0.05, ["k=rsa", "p=", "zz", "=", "t=y", "v=DKIM1"]),
  ].filter((tag) => tag !== "");
  const record =
    (choices.chance(0.2) ? choices.shuffled(tags) : tags).join(choices.pick(["; ", ";", " ; "])) +
    choices.mostly(["", ";", " "]);
  return {
    [name]: {
      TXT: choices.mostly([[[record]], [[record], ["v=spf1 -all"]], [["x"], [record]], [[key.record], [record]]], 0.9),
    },
  };
}
