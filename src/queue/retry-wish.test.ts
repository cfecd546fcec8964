/** What greylisters and busy servers say in the field, and what must not be taken for a wait. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wishedDelayMs } from "./retry-wish.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

const phrases: readonly (readonly [software: string, text: string, expected: number | undefined])[] = [
  [
    "postgrey",
    "450 4.2.0 <a@b.test>: Recipient address rejected: Greylisted for 300 seconds (see http://isg.ee.ethz.ch/tools/postgrey/help/b.test.html)",
    300 * second,
  ],
  [
    "postgrey 1.37",
    "450 4.2.0 <a@b.test>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/b.test.html",
    undefined,
  ],
  ["milter-greylist", "451 4.7.1 Greylisting in action, please come back in 00:15:00", 15 * minute],
  ["milter-greylist, later", "451 4.7.1 Greylisting in action, please come back in 01:00:05", hour + 5 * second],
  ["sqlgrey", "450 4.7.1 <a@b.test>: Recipient address rejected: Greylisted for 5 minutes", 5 * minute],
  ["sqlgrey, throttling", "450 4.7.1 Throttling too many connections from new source -  Try again later.", undefined],
  ["gld", "450 4.7.1 Service temporarily unavailable, please try again later", undefined],
  ["Exim, greylisting of the wiki", "451 Greylisted <1.2.3.4> - please try again in 15 minutes", 15 * minute],
  [
    "Exim, greylistd",
    "451 192.0.2.1 is not yet authorized to deliver mail from <a@b.test> to <c@d.test>. Please try later.",
    undefined,
  ],
  ["Exim", "451-Greylisting is active. Try again after 5 min", 5 * minute],
  ["rspamd", "451 4.7.1 Try again later", undefined],
  ["rspamd, own text", "451 4.7.1 Greylisted, please try again in 4m 30s", 4 * minute + 30 * second],
  [
    "policyd-weight",
    "450 4.7.1 temporarily blocked because of previous errors - retrying too fast. penalty: 30 seconds x 3 retries.",
    30 * second,
  ],
  [
    "Exchange",
    "451 4.7.500 Server busy. Please try again later from [192.0.2.10]. (S77719) [AM5EUR02FT010.eop-EUR02.prod]",
    undefined,
  ],
  ["Exchange, back pressure", "452 4.3.1 Insufficient system resources (UsedDiskSpace), wait 5 minutes", 5 * minute],
  ["OpenBSD spamd", "451 Temporary failure, please try again later.", undefined],
  ["J-EPSF", "450 4.7.1 <a@b.test>: Greylisting: come back in 60 seconds", minute],
  ["qmail", "451 GL - temporary problem. Try again in 2 hours (#4.3.0)", 2 * hour],
  [
    "Yahoo",
    "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints - 4.16.55.1; see https://x.test/",
    undefined,
  ],
  ["Gmail", "421 4.7.28 Our system has detected an unusual rate of unsolicited mail. try again in an hour", hour],
  ["others", "451 4.7.1 Please wait at least 180s before retrying", 3 * minute],
  ["others", "451 Greylisted (300 seconds remaining)", 5 * minute],
  ["others", "450 4.7.1 Greylisted, try again in 1 hour and 30 minutes", 90 * minute],
  ["others", "450 4.7.1 You have been greylisted. Retry in five minutes.", 5 * minute],
  ["others", "451 Delivery deferred: retry after 1h30m", 90 * minute],
  ["others", "451 retry in half an hour", 30 * minute],
  ["others", "451 come back in 4:59", 4 * minute + 59 * second],
  ["others", "451 TRY AGAIN IN 3 DAYS", 72 * hour],
  ["others", "421 blocked for 10 min", 10 * minute],
];

test("the wait that a reply asks for is read from the words of the common greylisters", () => {
  for (const [software, text, expected] of phrases) assert.equal(wishedDelayMs(text), expected, `${software}: ${text}`);
});

test("limits, statuses, addresses, times of day and deadlines are no waits", () => {
  for (const text of [
    "452 4.2.2 mailbox over quota: 300 messages",
    "450 limit of 100 messages in 60 seconds exceeded, try again later",
    "450 try again later, more than 50 connections in 60 seconds",
    "451 4.7.1 try again: at most 20 messages per 1 hour",
    "451 try again at 12:30",
    "451 please retry within 24 hours",
    "451 again and again 5 minutes ago",
    "451 try again in 0 seconds",
    "451 try again in a few minutes",
    "451 try again 4.7.1",
    "451 try again 192.0.2.1",
    "451 retry 2001:db8::1",
    "451 retry 12:34:56:78",
    "451 wait 300",
    "451",
    "",
  ]) {
    assert.equal(wishedDelayMs(text), undefined, text);
  }
});

test("any text is read in bounded work and gives a whole wait or none", () => {
  for (const piece of [
    "again ",
    "in 5 ",
    "1h",
    "1:",
    "00:00:00:",
    "half an ",
    "and ",
    "5 minutes and ",
    "again in 5",
  ]) {
    const delay = wishedDelayMs(`451 again in ${piece.repeat(50_000)}`);
    assert.ok(delay === undefined || (Number.isSafeInteger(delay) && delay > 0), piece);
  }
  assert.equal(wishedDelayMs(`451 ${"x".repeat(600)} try again in 5 minutes`), undefined);
});
