/** The shared vectors for SASL, where they are at hand. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { pbkdf2Sync } from "node:crypto";
import { readVectors } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { findMechanism } from "./mechanisms.ts";
import { ScramClient } from "./scram-client.ts";
import { ScramExchange } from "./scram-server.ts";
import { digestBytes, scramVerifierOf } from "./scram-verifier.ts";
import type { ExchangeOptions, MechanismStep } from "./server-mechanism.ts";
import { decodeBase64 } from "./strict-base64.ts";
import { prepareString } from "./string-preparation.ts";

interface MechanismVector {
  readonly mechanism: string;
  readonly valid: boolean;
  readonly notes: string;
  readonly authzid?: string;
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly initial_response_b64?: string;
  readonly responses_b64?: readonly string[];
}

interface ScramVector {
  readonly id: string;
  readonly digest: "SHA-1" | "SHA-256" | "SHA-512";
  readonly user: string;
  readonly pass: string;
  readonly authID?: string;
  readonly skipSASLprep?: boolean;
  readonly salt64: string;
  readonly iters: number;
  readonly clientNonce: string;
  readonly serverNonce: string;
  readonly valid: boolean;
  readonly steps: readonly string[];
  readonly channel_binding?: { readonly type: string; readonly data_b64: string };
}

const options: ExchangeOptions = {
  nonce: () => assert.fail("no nonce is needed"),
  channelBinding: () => undefined,
  bindingOffered: false,
};

test("AUTH-003 AUTH-016 AUTH-019 AUTH-030 AUTH-031: the vectors for mechanisms of one or two messages", async (t) => {
  const vectors = readVectors<readonly MechanismVector[]>(t, "sasl", "mechanisms.json");
  if (vectors === undefined) return;
  const nameOf = ({ mechanism, notes }: MechanismVector): string => `${mechanism}: ${notes}`;
  await runVectors(t, "sasl/mechanisms", vectors, nameOf, (vector) => {
    const kind = findMechanism(vector.mechanism);
    if (kind === undefined) return { skipped: "a mechanism that is not offered" };
    const exchange = kind.begin(options);
    const responses =
      vector.initial_response_b64 === undefined ? (vector.responses_b64 ?? []) : [vector.initial_response_b64];
    // "=" is empty; "*" and what is no base64 end the exchange in the protocol core.
    const decoded = responses.map((text) => (text === "=" ? new Uint8Array(0) : decodeBase64(text)));
    const last = decoded.reduce<MechanismStep | undefined>(
      (_, response) => (response === undefined ? undefined : exchange.respond(response)),
      undefined,
    );
    const claim = last?.kind === "claim" ? last.claim : undefined;
    // A claim with an empty token asks for the error document, and no account takes it (RFC 7628 §4.3).
    const asksForError = claim?.kind === "token" && claim.token === "";
    assert.equal(claim !== undefined && !asksForError, vector.valid, vector.notes);
    if (claim !== undefined && vector.valid) assert.deepEqual(claim, claimOf(vector), vector.notes);
    return undefined;
  });
});

function claimOf({ mechanism, authzid = "", user = "", pass, token }: MechanismVector): unknown {
  if (mechanism === "EXTERNAL") return { kind: "certificate", authorizationId: authzid };
  if (token !== undefined) return { kind: "token", authorizationId: user, token };
  return { kind: "password", authorizationId: authzid, username: user, password: pass };
}

test("AUTH-020 AUTH-021 AUTH-022 AUTH-023 AUTH-024: the vectors for SCRAM, both sides step by step", async (t) => {
  const vectors = readVectors<readonly ScramVector[]>(t, "sasl", "scram.json");
  if (vectors === undefined) return;
  await runVectors(
    t,
    "sasl/scram",
    vectors,
    ({ id }) => id,
    (vector) => {
      const [clientFirst = "", serverFirst = "", clientFinal = "", serverFinal = ""] = vector.steps;
      // One vector is of a server that lies: only the client's side can find that out.
      const serverLies = vector.id.includes("bad-server");
      assert.equal(serverAccepts(vector), vector.valid || serverLies, "server");
      if (!vector.valid && !serverLies) return;
      const client = scramClient(vector);
      assert.equal(textOf(client.initial), clientFirst);
      assert.equal(textOf(client.respond(bytesOf(serverFirst))), clientFinal);
      assert.equal(textOf(client.respond(bytesOf(serverFinal))), serverLies ? undefined : "");
      assert.equal(client.complete, !serverLies, "client");
    },
  );
});

function serverAccepts(vector: ScramVector): boolean {
  const { digest, verifier, binding } = partsOf(vector);
  const server = new ScramExchange(digest, binding !== undefined, {
    nonce: () => vector.serverNonce,
    channelBinding: (type) => (type === vector.channel_binding?.type ? binding : undefined),
    bindingOffered: binding !== undefined,
  });
  const [clientFirst = "", serverFirst = "", clientFinal = "", serverFinal = ""] = vector.steps;
  const lookup = server.respond(bytesOf(clientFirst));
  if (lookup.kind !== "lookup") return false;
  assert.equal(lookup.username, vector.skipSASLprep === true ? vector.user : (prepareString(vector.user) ?? ""));
  const challenge = lookup.found([verifier]);
  assert.ok(challenge.kind === "challenge");
  assert.equal(textOf(challenge.data), serverFirst);
  const claim = server.respond(bytesOf(clientFinal));
  if (claim.kind !== "claim" || claim.claim.kind !== "proof" || claim.claim.verifier === undefined) return false;
  assert.equal(claim.claim.authorizationId, vector.authID ?? "");
  if (vector.valid) assert.equal(textOf(claim.ifAccepted), serverFinal);
  assert.equal(server.respond(new Uint8Array(0)).kind, "concluded");
  return true;
}

function scramClient(vector: ScramVector): ScramClient {
  const { digest, binding } = partsOf(vector);
  return new ScramClient({
    name: "SCRAM",
    digest,
    username: vector.user,
    password: vector.pass,
    authorizationId: vector.authID ?? "",
    flag: binding === undefined ? "n" : "p",
    ...(vector.skipSASLprep === true && { prepare: (text) => text }),
    channel: {
      nonce: () => vector.clientNonce,
      ...(binding && { channelBinding: { type: vector.channel_binding?.type ?? "", data: binding } }),
      derive: (password, how) => pbkdf2Sync(password, how.salt, how.iterations, digestBytes(how.digest), how.digest),
    },
  });
}

function partsOf({ digest: name, pass, skipSASLprep, salt64, iters, channel_binding: bound }: ScramVector) {
  const digest = ({ "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512" } as const)[name];
  const salt = Buffer.from(salt64, "base64");
  const password = skipSASLprep === true ? pass : (prepareString(pass) ?? "");
  const salted = pbkdf2Sync(password, salt, iters, digestBytes(digest), digest);
  const verifier = scramVerifierOf(salted, { digest, iterations: iters, salt });
  return { digest, verifier, binding: bound === undefined ? undefined : Buffer.from(bound.data_b64, "base64") };
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

test("AUTH-018: the vectors for SASLprep", async (t) => {
  type Vector = { readonly input: string; readonly output: string | null };
  const vectors = readVectors<readonly Vector[]>(t, "sasl", "saslprep.json");
  if (vectors === undefined) return;
  await runVectors(
    t,
    "sasl/saslprep",
    vectors,
    ({ input }) => JSON.stringify(input),
    ({ input, output }) => assert.equal(prepareString(input), output ?? undefined),
  );
});
