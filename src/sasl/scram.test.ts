/** SCRAM between our two sides, and what each refuses of the other. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { pbkdf2Sync } from "node:crypto";
import type { ClientChannel } from "./client-mechanism.ts";
import { chooseClientMechanism } from "./client-mechanisms.ts";
import { findMechanism } from "./mechanisms.ts";
import { decodeName, parseClientFinal, parseClientFirst, parseServerFirst } from "./scram-messages.ts";
import {
  digestBytes,
  formatScramVerifier,
  parseScramVerifier,
  type ScramVerifier,
  scramVerifierOf,
} from "./scram-verifier.ts";
import type { ExchangeOptions, MechanismStep } from "./server-mechanism.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array | undefined) => (data === undefined ? undefined : new TextDecoder().decode(data));
const binding = bytes("thirty-two octets of the channel");

const derive: ClientChannel["derive"] = (password, { digest, iterations, salt }) =>
  pbkdf2Sync(password, salt, iterations, digestBytes(digest), digest);

function verifierOf(password: string, salt = "0123456789abcdef"): ScramVerifier {
  const how = { digest: "sha256", iterations: 4096, salt: bytes(salt) } as const;
  return scramVerifierOf(derive(password, how), how);
}

const serverOptions: ExchangeOptions = {
  nonce: () => "server-nonce",
  channelBinding: (type) => (type === "tls-exporter" ? binding : undefined),
  bindingOffered: true,
};
const channel: ClientChannel = {
  nonce: () => "client-nonce",
  channelBinding: { type: "tls-exporter", data: binding },
  derive,
};

interface Played {
  readonly mechanism: string;
  readonly last: MechanismStep;
  readonly complete: boolean;
}

/** The whole exchange; the server finds `verifiers`. */
function play(options: {
  readonly offered: readonly string[];
  readonly password?: string;
  readonly verifiers?: readonly ScramVerifier[];
  readonly client?: ClientChannel;
  readonly server?: ExchangeOptions;
}): Played {
  const { offered, password = "pencil", verifiers = [verifierOf("pencil")], client = channel } = options;
  const mechanism = chooseClientMechanism({ kind: "password", username: "a,b=c", password }, offered, client);
  assert.ok(mechanism);
  const server = findMechanism(mechanism.name)?.begin(options.server ?? serverOptions);
  assert.ok(server);
  let response: Uint8Array | undefined = mechanism.initial;
  for (;;) {
    let step: MechanismStep = server.respond(response);
    if (step.kind === "lookup") {
      assert.equal(step.username, "a,b=c");
      step = step.found(verifiers);
    }
    const accepted = step.kind === "claim" && step.claim.kind === "proof" && step.claim.verifier !== undefined;
    const data = step.kind === "challenge" ? step.data : step.kind === "claim" ? step.ifAccepted : undefined;
    if (data === undefined || (step.kind === "claim" && !accepted)) {
      return { mechanism: mechanism.name, last: step, complete: mechanism.complete };
    }
    response = mechanism.respond(data);
    assert.ok(response, "the client goes on");
  }
}

test("the strongest mechanism is taken: with channel binding, then without, then what shows the password", () => {
  const names = ["LOGIN", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];
  const identity = { kind: "password", username: "u", password: "p" } as const;
  const taken: (string | undefined)[] = [];
  for (let offered = names; offered.length > 0; offered = offered.slice(0, -1)) {
    taken.push(chooseClientMechanism(identity, offered, channel)?.name);
  }
  assert.deepEqual(taken, [
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-1",
    "PLAIN",
    "LOGIN",
  ]);
  const { channelBinding: _, ...unbound } = channel;
  assert.equal(chooseClientMechanism(identity, names, unbound)?.name, "SCRAM-SHA-256");
  assert.equal(chooseClientMechanism(identity, names, undefined)?.name, "PLAIN");
  assert.equal(chooseClientMechanism(identity, names, channel, { showPassword: true })?.name, "PLAIN");
  assert.equal(chooseClientMechanism(identity, ["CRAM-MD5"], channel), undefined);
  const external = chooseClientMechanism({ kind: "certificate", authorizationId: "" }, ["PLAIN", "EXTERNAL"], channel);
  assert.equal(external?.name, "EXTERNAL");
  assert.equal(chooseClientMechanism({ kind: "certificate", authorizationId: "" }, ["PLAIN"], channel), undefined);
  const token = { kind: "token", username: "u@x.example", token: "tok" } as const;
  assert.equal(chooseClientMechanism(token, ["XOAUTH2", "OAUTHBEARER"], channel)?.name, "OAUTHBEARER");
  assert.equal(chooseClientMechanism(token, ["XOAUTH2"], channel)?.name, "XOAUTH2");
});

test("both sides agree, with and without channel binding", () => {
  for (const offered of [["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"], ["SCRAM-SHA-256"]]) {
    const server = { ...serverOptions, bindingOffered: offered.length > 1 };
    const { mechanism, last, complete } = play({ offered, server });
    assert.equal(mechanism, offered[0]);
    assert.equal(last.kind, "concluded");
    assert.equal(complete, true);
  }
});

test("a wrong password ends in a claim without a verifier, and nothing is said to the client", () => {
  const { last, complete } = play({ offered: ["SCRAM-SHA-256-PLUS"], password: "pen" });
  assert.ok(last.kind === "claim" && last.claim.kind === "proof");
  assert.equal(last.claim.verifier, undefined);
  assert.equal(last.ifAccepted, undefined);
  assert.equal(complete, false);
});

test("of several passwords that share a salt each one signs in", () => {
  const verifiers = ["first", "second"].map((password) => verifierOf(password));
  for (const [index, password] of ["first", "second"].entries()) {
    const { last } = play({ offered: ["SCRAM-SHA-256-PLUS"], password, verifiers });
    assert.equal(last.kind, "concluded", `password ${index}`);
  }
});

test("AUTH-021 AUTH-022: who stands between two TLS connections is found out by the channel binding", () => {
  const other = { ...channel, channelBinding: { type: "tls-exporter", data: bytes("another connection's octets") } };
  const { last } = play({ offered: ["SCRAM-SHA-256-PLUS"], client: other });
  assert.deepEqual(last, { kind: "malformed", reason: "another channel binding" });
});

test("AUTH-021: who takes -PLUS from the list is found out by the flag", () => {
  const { last } = play({ offered: ["SCRAM-SHA-256"] });
  assert.ok(last.kind === "malformed");
  assert.match(last.reason, /was not shown/);
});

test("AUTH-021: other flags than the mechanism's are refused", () => {
  const first = (mechanism: string, message: string) =>
    findMechanism(mechanism)?.begin(serverOptions).respond(bytes(message)).kind;
  assert.equal(first("SCRAM-SHA-256", "n,,n=user,r=abc"), "lookup");
  assert.equal(first("SCRAM-SHA-256", "p=tls-exporter,,n=user,r=abc"), "malformed");
  assert.equal(first("SCRAM-SHA-256-PLUS", "n,,n=user,r=abc"), "malformed");
  assert.equal(first("SCRAM-SHA-256-PLUS", "y,,n=user,r=abc"), "malformed");
  assert.equal(first("SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=user,r=abc"), "lookup");
  assert.equal(first("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=user,r=abc"), "malformed");
});

test("AUTH-020: another nonce, and octets after the end, are refused", () => {
  const server = findMechanism("SCRAM-SHA-256")?.begin({ ...serverOptions, bindingOffered: false });
  const lookup = server?.respond(bytes("n,,n=user,r=abc"));
  assert.ok(lookup?.kind === "lookup");
  const challenge = lookup.found([verifierOf("pencil")]);
  assert.ok(challenge.kind === "challenge");
  assert.match(text(challenge.data) ?? "", /^r=abcserver-nonce,s=[^,]+,i=4096$/);
  assert.deepEqual(server?.respond(bytes("c=biws,r=abcother,p=AAAA")), { kind: "malformed", reason: "another nonce" });
  assert.equal(server?.respond(bytes("x")).kind, "malformed");
});

test("AUTH-023: names are escaped in one way, and mandatory extensions are refused", () => {
  assert.equal(decodeName("a=2Cb=3Dc"), "a,b=c");
  for (const name of ["a=2cb", "a=", "=41", "a=3X", "a\0b", "x".repeat(256)]) assert.equal(decodeName(name), undefined);
  const valid = parseClientFirst("n,a=bob=2C,n=user,r=nonce,x=later");
  assert.ok(valid);
  assert.equal(valid.gs2.authorizationId, "bob,");
  assert.equal(valid.header, "n,a=bob=2C,,".slice(0, -1));
  assert.equal(valid.bare, "n=user,r=nonce,x=later");
  for (const message of [
    "n,,m=ext,n=user,r=nonce",
    "x,,n=user,r=nonce",
    ",,n=user,r=nonce",
    "n,n=user,r=nonce",
    "n,a=,n=user,r=nonce",
    "n,,n=,r=nonce",
    "n,,n=user,r=",
    "n,,n=user,r=no nce",
    "n,,n=user",
    "n,,n=user,r=nonce,",
    "n,,n=user,r=nonce,xy",
    "p=,,n=user,r=nonce",
    `n,,n=user,r=${"x".repeat(513)}`,
    "",
  ]) {
    assert.equal(parseClientFirst(message), undefined, message);
  }
  for (const message of [
    "c=biws,r=x",
    "c=!,r=x,p=AAAA",
    "r=x,c=biws,p=AAAA",
    "c=biws,r=x,p=AAA",
    "c=biws,r=x,p=AAAA,z=1",
  ]) {
    assert.equal(parseClientFinal(message), undefined, message);
  }
  for (const message of [
    "m=x,r=a,s=AAAA,i=4096",
    "r=a,s=AAAA,i=0",
    "r=a,s=AAAA,i=-1",
    "r=a,s=A,i=4096",
    "r=a,i=4096,s=AAAA",
  ]) {
    assert.equal(parseServerFirst(message), undefined, message);
  }
});

test("AUTH-026: as a client, absurd counts, foreign nonces and a server that cannot prove itself are refused", () => {
  const begin = () =>
    chooseClientMechanism({ kind: "password", username: "u", password: "p" }, ["SCRAM-SHA-256"], channel);
  for (const challenge of [
    "r=client-nonceX,s=AAAA,i=4095",
    "r=client-nonceX,s=AAAA,i=131073",
    "r=client-nonceX,s=AAAA,i=1000000000",
    "r=client-nonce,s=AAAA,i=4096",
    "r=other-nonceX,s=AAAA,i=4096",
    "e=other-error",
    "",
  ]) {
    const client = begin();
    assert.equal(client?.respond(bytes(challenge)), undefined, challenge);
    assert.equal(client?.respond(bytes("r=client-nonceX,s=AAAA,i=4096")), undefined, "it does not recover");
    assert.equal(client?.complete, false);
  }
  for (const final of ["v=AAAA", `v=${Buffer.alloc(32).toString("base64")}`, "e=invalid-proof", "v="]) {
    const client = begin();
    assert.ok(client?.respond(bytes("r=client-nonceX,s=AAAA,i=4096")));
    assert.equal(client?.respond(bytes(final)), undefined, final);
    assert.equal(client?.complete, false);
  }
});

test("a verifier survives being written and read", () => {
  const verifier = verifierOf("pencil");
  const read = parseScramVerifier(formatScramVerifier(verifier));
  assert.deepEqual(Buffer.from(read?.storedKey ?? []), Buffer.from(verifier.storedKey));
  assert.equal(read?.iterations, 4096);
  assert.equal(parseScramVerifier("x".repeat(2000)), undefined);
});

test("AUTH-029 AUTH-031: a refused token gets the error document, and the exchange ends with any answer", () => {
  const messages = {
    OAUTHBEARER: "n,a=u@x.example,\u0001auth=Bearer tok\u0001\u0001",
    XOAUTH2: "user=u@x.example\u0001auth=Bearer tok\u0001\u0001",
  };
  for (const [name, message] of Object.entries(messages)) {
    const exchange = findMechanism(name)?.begin(serverOptions);
    const step = exchange?.respond(bytes(message));
    assert.ok(step?.kind === "claim");
    assert.deepEqual(step.claim, { kind: "token", authorizationId: "u@x.example", token: "tok" });
    const { status } = JSON.parse(text(step.ifRefused) ?? "") as { status: string };
    assert.equal(status, name === "XOAUTH2" ? "401" : "invalid_token");
    assert.equal(exchange?.respond(name === "XOAUTH2" ? new Uint8Array(0) : Uint8Array.of(1)).kind, "concluded");
    const client = chooseClientMechanism({ kind: "token", username: "u@x.example", token: "tok" }, [name], channel);
    assert.equal(text(client?.initial), message);
    assert.equal(client?.complete, true);
    assert.equal(client?.respond(bytes("{}"))?.length, name === "XOAUTH2" ? 0 : 1);
    assert.equal(client?.complete, false);
    assert.equal(client?.respond(bytes("{}")), undefined);
  }
});
