/**
 * Documented dialects of mail programs and of large receivers, and recorded sessions of real programs: each dialogue of
 * `clients` is said to our server, each of `servers` to our client.
 */
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { test } from "node:test";
import { IssuerTokens } from "../../src/oauth/issuer-tokens.ts";
import { issuerSettings } from "../../src/oauth/settings.ts";
import { issuerUrl, TestIssuer } from "../../src/testing/test-issuer.ts";
import { ReceivingServer } from "../../src/testing/receiving-server.ts";
import { fits, octetsOf, readDialogue } from "./dialogue.ts";
import { playClient } from "./play-client.ts";
import { playServer } from "./play-server.ts";

const dialogues = (folder: string) =>
  globSync(`${import.meta.dirname}/${folder}/*.txt`)
    .toSorted()
    .map(readDialogue);
const nameOf = (path: string) => path.slice(import.meta.dirname.length + 1);

/** Signatures of tokens are verified by threads, which take their time. */
let underWay: Promise<unknown> = Promise.resolve();

async function open(needsTokens: boolean, certificate: boolean) {
  let issuer: TestIssuer | undefined;
  const server = await ReceivingServer.open({
    ...(needsTokens && {
      tokens: async ({ clock }) => {
        issuer = await TestIssuer.open(clock);
        const settings = issuerSettings.parse({ url: issuerUrl, audience: ["mail"], scopes: ["smtp"] });
        const tokens = new IssuerTokens({ http: issuer, clock }, [settings]);
        return { help: tokens.help, check: (token) => (underWay = tokens.check(token)) };
      },
    }),
    ...(certificate && { clientCertificates: { authorities: [], identity: "email" } }),
  });
  const variables = { good: (await issuer?.token()) ?? "", expired: (await issuer?.token({ exp: 1 })) ?? "" };
  return { server, variables: { "good-token": variables.good, "expired-token": variables.expired } };
}

for (const dialogue of dialogues("clients")) {
  test(`our server understands ${nameOf(dialogue.path)}`, async () => {
    const needsTokens = dialogue.one("tokens") !== undefined;
    const { server, variables } = await open(needsTokens, dialogue.one("certificate") !== undefined);
    await using _ = server;
    await playClient(dialogue, { server, variables, underWay: () => underWay });
  });
}

for (const dialogue of dialogues("servers")) {
  test(`our client understands ${nameOf(dialogue.path)}`, () => playServer(dialogue));
}

test("a line of a dialogue: values, base64, octets, and no CRLF", () => {
  assert.equal(octetsOf("A {base64:\\x00{name}}", { name: "ann" }).toString(), "A AGFubg==\r\n");
  assert.deepEqual([...octetsOf("é\\xff\\\\\\", {})], [0xc3, 0xa9, 0xff, 0x5c]);
  assert.throws(() => octetsOf("{nobody}", {}), /no value/);
  assert.ok(fits("250 2.1.0 Ok", "250 *Ok", {}));
  assert.ok(!fits("250 2.1.0 Ok.", "250 *Ok", {}));
  assert.ok(!fits("250x", "250.", {}));
});
