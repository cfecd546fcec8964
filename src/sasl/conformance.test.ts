/** The shared vectors for SASL, where they are at hand. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { readVectors } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { findMechanism } from "./mechanisms.ts";
import type { MechanismStep } from "./server-mechanism.ts";
import { decodeBase64 } from "./strict-base64.ts";
import { prepareString } from "./string-preparation.ts";

interface MechanismVector {
  readonly mechanism: string;
  readonly valid: boolean;
  readonly notes: string;
  readonly authzid?: string;
  readonly user?: string;
  readonly pass?: string;
  readonly initial_response_b64?: string;
  readonly responses_b64?: readonly string[];
}

test("AUTH-016 AUTH-019: the vectors for PLAIN and LOGIN", async (t) => {
  const vectors = readVectors<readonly MechanismVector[]>(t, "sasl", "mechanisms.json");
  if (vectors === undefined) return;
  const nameOf = ({ mechanism, notes }: MechanismVector): string => `${mechanism}: ${notes}`;
  await runVectors(t, "sasl/mechanisms", vectors, nameOf, (vector) => {
    const kind = findMechanism(vector.mechanism);
    if (kind === undefined) return { skipped: "a mechanism that is not offered" };
    const exchange = kind.begin();
    const responses =
      vector.initial_response_b64 === undefined ? (vector.responses_b64 ?? []) : [vector.initial_response_b64];
    // "=" is empty; "*" and what is no base64 end the exchange in the protocol core.
    const decoded = responses.map((text) => (text === "=" ? new Uint8Array(0) : decodeBase64(text)));
    const last = decoded.reduce<MechanismStep | undefined>(
      (_, response) => (response === undefined ? undefined : exchange.respond(response)),
      undefined,
    );
    assert.equal(last?.kind === "claim", vector.valid, vector.notes);
    if (last?.kind === "claim") {
      const { authzid: authorizationId = "", user: username, pass: password } = vector;
      assert.deepEqual(last.claim, { authorizationId, username, password }, vector.notes);
    }
    return undefined;
  });
});

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
