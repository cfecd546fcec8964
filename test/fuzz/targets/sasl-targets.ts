/** What clients and servers say in a SASL exchange, before anybody is known. */
import assert from "node:assert/strict";
import { pbkdf2Sync } from "node:crypto";
import { chooseClientMechanism } from "../../../src/sasl/client-mechanisms.ts";
import { serverMechanisms } from "../../../src/sasl/mechanisms.ts";
import {
  digestBytes,
  formatScramVerifier,
  parseScramVerifier,
  scramVerifierOf,
} from "../../../src/sasl/scram-verifier.ts";
import type { MechanismStep, ServerMechanism } from "../../../src/sasl/server-mechanism.ts";
import { texts } from "../seeds.ts";
import type { FuzzTarget } from "../target.ts";

/** A response is what stands between two of these; the first octet chooses the mechanism. */
const separator = "\n";
/** The digit that stands for the first mechanism. */
const zero = 0x30;
const how = { digest: "sha256", iterations: 4096, salt: Buffer.from("0123456789abcdef") } as const;
const salted = pbkdf2Sync("pencil", how.salt, how.iterations, 32, "sha256");
const verifier = scramVerifierOf(salted, how);
const binding = Buffer.alloc(32, 1);
/** More challenges than any mechanism has. */
const stepsMax = 4;

const serverSide: FuzzTarget = {
  name: "sasl-server",
  family: "sign-in",
  seeds: () =>
    texts(
      "7\0tim\0secret",
      "7Ursel\0Kurt\0xipj3plmq",
      "8tim\nsecret",
      "0ann@example.org",
      "2n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL\nc=biws,r=fyko+d2lbbFgONRv9qkxdawLserver,p=AAAA\n",
      "1p=tls-exporter,,n=user,r=nonce\nc=cD10bHMtZXhwb3J0ZXIsLA==,r=nonceserver,p=AAAA\n",
      "5n,a=u@x.example,\u0001host=x\u0001auth=Bearer tok\u0001\u0001\n\u0001",
      "6user=u@x.example\u0001auth=Bearer tok\u0001\u0001\n",
    ),
  words: [
    "\n",
    "n,,",
    "y,,",
    "p=tls-unique,",
    "n=",
    ",r=",
    ",p=",
    "c=biws",
    "m=ext",
    "=2C",
    "=3D",
    "=",
    "\0",
    "\u0001",
    "auth=Bearer ",
  ],
  bytesMax: 4096,
  stretchMax: 12_288,
  run(input) {
    const [chosen = zero] = input;
    const kind = serverMechanisms[(chosen % zero) % serverMechanisms.length];
    assert.ok(kind);
    const exchange = kind.begin({
      nonce: () => "server",
      channelBinding: (type) => (type === "tls-exporter" ? binding : undefined),
      bindingOffered: chosen > 0x7f,
    });
    const responses = input.subarray(1).toString("latin1").split(separator).slice(0, stepsMax);
    for (const response of responses) if (!goesOn(exchange, Buffer.from(response, "latin1"))) return;
  },
};

/** Checks what holds for each step; false: the exchange is over. */
function goesOn(exchange: ServerMechanism, response: Buffer): boolean {
  let step: MechanismStep = exchange.respond(response);
  if (step.kind === "lookup") {
    assert.ok(step.username !== "" && !step.username.includes("\0"));
    step = step.found([verifier]);
    assert.equal(step.kind, "challenge");
  }
  if (step.kind === "claim") {
    const { claim } = step;
    assert.ok(!claim.authorizationId.includes("\0"));
    // Nobody finds a proof by mutation; who did would have to be told to the server's side as well.
    if (claim.kind === "proof") assert.equal(claim.verifier === undefined, step.ifAccepted === undefined);
    if (claim.kind === "password") assert.ok(claim.username !== "" && claim.password !== "");
    return step.ifAccepted !== undefined || step.ifRefused !== undefined;
  }
  return step.kind === "challenge";
}

const clientSide: FuzzTarget = {
  name: "sasl-client",
  family: "sign-in",
  seeds: () =>
    texts("r=clientserver,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096\nv=AAAA", "e=invalid-proof", "m=x,r=clientY,s=AAAA,i=4096"),
  words: ["\n", "r=client", ",s=", ",i=", "4096", "131073", "99999999999", "v=", "e=", "m=", ",", "="],
  bytesMax: 2048,
  stretchMax: 64 * 1024,
  run(input) {
    let derivations = 0;
    const identity = { kind: "password", username: "user", password: "pencil" } as const;
    const client = chooseClientMechanism(identity, ["SCRAM-SHA-256"], {
      nonce: () => "client",
      derive: (_, { digest, iterations, salt }) => {
        derivations++;
        assert.ok(iterations >= 4096 && iterations <= 131_072 && salt.length > 0);
        return salted.subarray(0, digestBytes(digest));
      },
    });
    assert.ok(client);
    for (const challenge of input.toString("latin1").split(separator).slice(0, stepsMax)) {
      client.respond(Buffer.from(challenge, "latin1"));
    }
    assert.ok(derivations <= 1);
    // A server that does not know the password cannot end it.
    assert.equal(client.complete, false);
  },
};

const storedVerifier: FuzzTarget = {
  name: "scram-verifier",
  family: "sign-in",
  seeds: () => texts(formatScramVerifier(verifier), "SCRAM-SHA-1$4096:c2FsdA==$AAAA:AAAA"),
  words: ["SCRAM-SHA-", "$", ":", "4096", "65537", "=", "A"],
  bytesMax: 1024,
  stretchMax: 64 * 1024,
  run(input) {
    const read = parseScramVerifier(input.toString("latin1"));
    if (read === undefined) return;
    const again = parseScramVerifier(formatScramVerifier(read));
    assert.ok(again && read.iterations >= 4096 && read.iterations <= 65_536);
    assert.deepEqual({ ...again }, { ...read });
  },
};

export const saslTargets: readonly FuzzTarget[] = [serverSide, clientSide, storedVerifier];
