/** Which mechanisms a session offers, and SCRAM over it, step by step against our own client's side. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { pbkdf2Sync } from "node:crypto";
import { chooseClientMechanism } from "../sasl/client-mechanisms.ts";
import type { ClientMechanism } from "../sasl/client-mechanism.ts";
import { digestBytes, formatScramVerifier, scramVerifierOf } from "../sasl/scram-verifier.ts";
import { plain, ReceivingServer, type ScriptedClient } from "../testing/receiving-server.ts";

const derive = (password: string, { digest, iterations, salt }: Parameters<typeof scramVerifierOf>[1]) =>
  pbkdf2Sync(password, salt, iterations, digestBytes(digest), digest);

function verifier(password: string, digest: "sha1" | "sha256" = "sha256"): string {
  const how = { digest, iterations: 4096, salt: Buffer.from(`salt of ${password}`) };
  return formatScramVerifier(scramVerifierOf(derive(password, how), how));
}

const scramUsers = [
  { address: "ann@example.org", password: ["hash:secret", verifier("secret")] },
  { address: "bob@example.org", password: [verifier("word")] },
  { address: "key@example.org" },
];
const base64 = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString("base64");

async function offered(client: ScriptedClient): Promise<readonly string[]> {
  const answer = await client.expect("EHLO client.test", "250");
  return /^250-AUTH (.*)$/m.exec(answer)?.[1]?.split(" ") ?? [];
}

/** `binding` false: a client that cannot bind. */
function mechanismFor(
  client: ScriptedClient,
  names: readonly string[],
  options: { readonly username?: string; readonly password?: string; readonly binding?: Uint8Array | false } = {},
): ClientMechanism {
  const { username = "ann@example.org", password = "secret" } = options;
  const { binding = client.connection.channelBinding("tls-exporter") } = options;
  const mechanism = chooseClientMechanism({ kind: "password", username, password }, names, {
    nonce: () => "rOprNGfwEbeRWgbNEkqO",
    ...(binding && { channelBinding: { type: "tls-exporter", data: binding } }),
    derive,
  });
  assert.ok(mechanism);
  return mechanism;
}

/** The last reply. */
async function signIn(client: ScriptedClient, mechanism: ClientMechanism): Promise<string> {
  let reply = await client.expect(`AUTH ${mechanism.name} ${base64(mechanism.initial)}`, "");
  while (reply.startsWith("334 ")) {
    const response = mechanism.respond(Buffer.from(reply.slice(4), "base64"));
    reply = await client.expect(response === undefined ? "*" : base64(response), "");
  }
  return reply;
}

test("SCRAM is offered where every user with a password has a verifier, -PLUS under TLS, nothing in clear", async () => {
  await using server = await ReceivingServer.open({ users: scramUsers });
  const client = await server.client("submission");
  assert.deepEqual(await offered(client), []);
  await client.startTls();
  assert.deepEqual(await offered(client), ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]);
  assert.deepEqual(await offered(await server.client("submissions")), [
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
    "PLAIN",
    "LOGIN",
  ]);
  assert.deepEqual(await offered(await server.client("mx")), []);

  const users = [...scramUsers, { address: "old@example.org", password: "hash:old" }];
  await using mixed = await ReceivingServer.open({ users });
  assert.deepEqual(await offered(await mixed.client("submissions")), ["PLAIN", "LOGIN"]);
  await using plainOnly = await ReceivingServer.open({ users: scramUsers, mechanisms: ["PLAIN"] });
  assert.deepEqual(await offered(await plainOnly.client("submissions")), ["PLAIN"]);
  const refused = await (await plainOnly.client("submissions")).expect("AUTH SCRAM-SHA-256 biws", "504 5.5.4");
  assert.match(refused, /^504/);
});

test("SCRAM-SHA-256-PLUS signs in, and the session is ann's", async () => {
  await using server = await ReceivingServer.open({ users: scramUsers });
  const client = await server.client("submissions");
  const mechanism = mechanismFor(client, await offered(client));
  assert.equal(mechanism.name, "SCRAM-SHA-256-PLUS");
  assert.match(await signIn(client, mechanism), /^235 2\.7\.0/);
  assert.equal(mechanism.complete, true);
  await client.expect("MAIL FROM:<ann@example.org>", "250");
  const [told] = server.log.of("login-succeeded");
  assert.equal(told?.["mechanism"], "SCRAM-SHA-256-PLUS");
  assert.equal(told?.["login"], "ann@example.org");
});

test("AUTH-033: a wrong password, an unknown name, and one without a verifier get the same dialogue", async () => {
  await using server = await ReceivingServer.open({ users: scramUsers });
  const shapes = new Set<string>();
  for (const [username, password] of [
    ["ann@example.org", "wrong"],
    ["nobody@example.org", "secret"],
    ["key@example.org", "secret"],
    ["no address", "secret"],
  ] as const) {
    const client = await server.client("submissions");
    const mechanism = mechanismFor(client, await offered(client), { username, password });
    const first = await client.expect(`AUTH ${mechanism.name} ${base64(mechanism.initial)}`, "334 ");
    const response = mechanism.respond(Buffer.from(first.slice(4), "base64"));
    shapes.add(await client.expect(base64(response), "535 5.7.8"));
    await client.expect("NOOP", "250");
  }
  assert.equal(shapes.size, 1);
  assert.deepEqual(
    server.log.of("login-failed").map(({ reason }) => reason),
    ["wrong-password", "unknown-user", "wrong-password", "unknown-user"],
  );
});

test("AUTH-025: the salt of a name that nobody has is always the same, in any letter case, and another name's is not", async () => {
  await using server = await ReceivingServer.open({ users: scramUsers });
  const salts: string[] = [];
  for (const name of [
    "ghost@example.org",
    "Ghost@EXAMPLE.org",
    "other@example.org",
    "bob@example.org",
    "Bob@example.org",
  ]) {
    const client = await server.client("submissions");
    const first = Buffer.from(`n,,n=${name},r=nonce`).toString("base64");
    const answer = Buffer.from((await client.expect(`AUTH SCRAM-SHA-256 ${first}`, "334 ")).slice(4), "base64");
    salts.push(/,s=([^,]+),i=\d+$/.exec(answer.toString())?.[1] ?? "");
    await client.expect("*", "501");
  }
  assert.equal(salts[0], salts[1]);
  assert.equal(salts[3], salts[4]);
  assert.equal(new Set(salts).size, 3);
});

test("AUTH-025: a name that nobody has gets the rounds and the length of salt that most users have", async () => {
  const user = (name: string, password: string) => ({ address: `${name}@example.org`, password: verifier(password) });
  // Salts of 14 octets and 4,096 rounds, as another server made them; ann's is longer.
  const users = [
    user("ann", "longer password"),
    user("bob", "secret"),
    user("eve", "random"),
    { address: "key@example.org" },
  ];
  await using server = await ReceivingServer.open({ users });
  const shapes: string[] = [];
  for (const name of ["ann", "bob", "eve", "key", "ghost"]) {
    const client = await server.client("submissions");
    const first = Buffer.from(`n,,n=${name}@example.org,r=nonce`).toString("base64");
    const answer = Buffer.from((await client.expect(`AUTH SCRAM-SHA-256 ${first}`, "334 ")).slice(4), "base64");
    const [, salt = "", rounds] = /,s=([^,]+),i=(\d+)$/.exec(answer.toString()) ?? [];
    shapes.push(`${name} ${Buffer.from(salt, "base64").length} ${rounds}`);
  }
  assert.deepEqual(shapes, ["ann 23 4096", "bob 14 4096", "eve 14 4096", "key 14 4096", "ghost 14 4096"]);
});

test("AUTH-021: a client that was shown no -PLUS, and one on another connection, are refused", async () => {
  await using server = await ReceivingServer.open({ users: scramUsers });
  const client = await server.client("submissions");
  const robbed = mechanismFor(client, ["SCRAM-SHA-256"]);
  assert.match(await signIn(client, robbed), /^535/);
  const bound = mechanismFor(client, ["SCRAM-SHA-256-PLUS"], { binding: Buffer.alloc(32) });
  assert.match(await signIn(client, bound), /^535/);
  const unable = mechanismFor(client, ["SCRAM-SHA-256"], { binding: false });
  assert.match(await signIn(client, unable), /^235/, "a client that cannot bind at all is no sign of an attack");
});

test("AUTH-001 AUTH-004: an exchange that is cancelled at any step leaves the session as it was", async () => {
  await using server = await ReceivingServer.open({ users: scramUsers });
  const client = await server.client("submissions");
  const names = await offered(client);
  for (let steps = 0; steps < 3; steps++) {
    const mechanism = mechanismFor(client, names);
    let reply = await client.expect(`AUTH ${mechanism.name} ${base64(mechanism.initial)}`, "334");
    for (let step = 0; step < steps; step++) {
      const response = mechanism.respond(Buffer.from(reply.slice(4), "base64"));
      if (step < 1) reply = await client.expect(base64(response), "334");
    }
    await client.expect("*", "501");
    await client.expect("MAIL FROM:<ann@example.org>", "530");
  }
  assert.match(await signIn(client, mechanismFor(client, names)), /^235/);
  await client.expect(`AUTH PLAIN ${plain("ann@example.org", "secret")}`, "503");
});

test("AUTH-011: guesses by SCRAM are slowed down as those by PLAIN are", async () => {
  await using server = await ReceivingServer.open({ users: scramUsers });
  let reply = "";
  for (let attempt = 0; attempt < 8 && !reply.startsWith("454"); attempt++) {
    const client = await server.client("submissions");
    reply = await signIn(client, mechanismFor(client, await offered(client), { password: `guess ${attempt}` }));
  }
  assert.match(reply, /^454 4\.7\.0 Too many failed logins/);
});
