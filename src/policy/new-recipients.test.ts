/** The cap on first-time recipients of an account: what counts, when it ends, and what it takes to remember. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMailbox } from "../address/mailbox-text.ts";
import { newRecipients } from "./built-in-stages.ts";
import type { Client } from "./client.ts";
import { knownMax, NewRecipients } from "./new-recipients.ts";
import type { RecipientFacts } from "./stage.ts";

const dayMs = 86_400_000;

test("each new address counts once, known ones are always taken, and the day ends", () => {
  const limit = new NewRecipients(2);
  const check = (recipient: string, now: number, login = "ann@example.org") => limit.check(login, recipient, now);
  assert.equal(check("a@x.test", 0), undefined);
  assert.equal(check("a@x.test", 1), undefined);
  assert.equal(check("b@x.test", 2), undefined);
  const refusal = check("c@x.test", 3);
  assert.ok(refusal);
  assert.deepEqual(
    [refusal.verdict, refusal.reason, refusal.setting, refusal.reply.code, refusal.inputs],
    ["defer", "too-many-new-recipients", "limits.new_recipients", 450, { login: "ann@example.org", limit: 2 }],
  );
  assert.equal(check("a@x.test", 4), undefined, "a known one is taken all the same");
  assert.ok(check("c@x.test", 5), "what was refused is not known");
  assert.equal(check("c@x.test", 6, "bob@example.org"), undefined, "each account has its own");
  assert.ok(check("c@x.test", dayMs - 1));
  assert.equal(check("c@x.test", dayMs), undefined, "a day after the first one");
  assert.equal(check("d@x.test", dayMs + 1), undefined);
  assert.ok(check("e@x.test", 2 * dayMs - 1));
  limit.perDay = 0;
  assert.equal(check("e@x.test", 2 * dayMs - 1), undefined, "0 means no limit");
});

test("what is remembered is bounded for each account, in favour of the newest, and for all together", () => {
  const limit = new NewRecipients(1_000_000);
  for (let count = 0; count <= knownMax; count++) limit.check("ann@example.org", `${count}@x.test`, count);
  assert.equal(limit.size, knownMax);
  limit.perDay = 1;
  assert.ok(limit.check("ann@example.org", "0@x.test", 0), "the oldest is forgotten");
  assert.equal(limit.check("ann@example.org", `${knownMax}@x.test`, 0), undefined);
});

test("only users who write elsewhere are counted, by the mailbox without regard to how it is spelled", () => {
  const counted: string[] = [];
  const stage = newRecipients({ countRecipient: (login, recipient) => void counted.push(`${login} ${recipient}`) });
  const mailbox = parseMailbox("Bob@Elsewhere.TEST");
  assert.ok(mailbox);
  const facts = (client: Partial<Client>, kind: "not-local" | "unknown" = "not-local") =>
    ({
      client: { listener: "submission", address: "192.0.2.1", relayNetwork: false, ...client },
      forwardPath: mailbox,
      resolution: kind === "not-local" ? { kind } : { kind, setting: "" },
    }) as RecipientFacts;
  const login = "ann@example.org";
  for (const asked of [facts({ login }), facts({}), facts({ login }, "unknown")]) stage.recipient?.(asked);
  assert.deepEqual(counted, ["ann@example.org bob@elsewhere.test"]);
});
