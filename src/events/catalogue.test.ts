/** The catalogue and the compiler: who emits an event gives the fields that are declared, all of them and no other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NothingBesides } from "../ports/log.ts";
import { catalogue, type EventName, eventSubjects, type FieldsOf } from "./catalogue.ts";

/** What the compiler says of these fields where the event is emitted. */
type Accepted<Name extends EventName, Given> = Given extends FieldsOf<Name> & NothingBesides<Given, FieldsOf<Name>>
  ? "accepted"
  : "refused";

test("the compiler accepts the declared fields, and refuses one more, one less, and one of another type", () => {
  const exact: Accepted<"space-enough", { path: string; reserve: number }> = "accepted";
  const more: Accepted<"space-enough", { path: string; reserve: number; free: number }> = "refused";
  const less: Accepted<"space-enough", { path: string }> = "refused";
  const other: Accepted<"space-enough", { path: string; reserve: string }> = "refused";
  type Login = { client: string; username: string; login: string; by: undefined };
  const absent: Accepted<"login-succeeded", Login & { mechanism: undefined }> = "accepted";
  const unnamed: Accepted<"login-succeeded", Login> = "refused";
  assert.deepEqual([exact, absent], ["accepted", "accepted"]);
  assert.deepEqual([more, less, other, unnamed], ["refused", "refused", "refused", "refused"]);
});

test("each event belongs to one subject, and each text is a sentence", () => {
  const names = Object.values(eventSubjects).flatMap((events) => Object.keys(events));
  assert.deepEqual(names, Object.keys(catalogue));
  for (const [name, { meaning, next, fields }] of Object.entries(catalogue)) {
    for (const text of [meaning, next, ...Object.values(fields).map((field) => field.meaning)]) {
      assert.match(text, /^[A-Z`].*[.…]$/s, `${name}: ${text}`);
    }
  }
});
