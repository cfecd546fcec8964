/** The shared vectors for SASL, where they are at hand. */
import { readFileSync } from "node:fs";
import { test } from "node:test";
import assert from "node:assert/strict";
import { conformancePath, reportVectors } from "../testing/conformance-data.ts";
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

test("AUTH-016 AUTH-019: the vectors for PLAIN and LOGIN", (t) => {
  const path = conformancePath("sasl", "mechanisms.json");
  if (path === undefined) return t.skip("no data");
  const vectors = JSON.parse(readFileSync(path, "utf8")) as readonly MechanismVector[];
  let run = 0;
  for (const vector of vectors) {
    const kind = findMechanism(vector.mechanism);
    if (kind === undefined) continue;
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
    run++;
  }
  assert.ok(run >= 10);
  reportVectors(t, { set: "sasl/mechanisms", passed: run, skipped: vectors.length - run });
});

test("AUTH-018: the vectors for SASLprep", (t) => {
  const path = conformancePath("sasl", "saslprep.json");
  if (path === undefined) return t.skip("no data");
  type Vector = { readonly input: string; readonly output: string | null; readonly notes: string };
  const vectors = JSON.parse(readFileSync(path, "utf8")) as readonly Vector[];
  for (const { input, output, notes } of vectors) assert.equal(prepareString(input), output ?? undefined, notes);
  reportVectors(t, { set: "sasl/saslprep", passed: vectors.length });
});
