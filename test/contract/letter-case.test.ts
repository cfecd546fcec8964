/**
 * Words of protocols in every spelling that Unicode takes for the same letters: the Kelvin sign for K, the long s for S, the
 * dotless and the dotted i for I. Each reader knows the word in any case of ASCII, and none of the others.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { domainKeyOf } from "../../src/address/domain.ts";
import { mailboxKey, parseMailbox } from "../../src/address/mailbox-text.ts";
import { parseForwardPath } from "../../src/address/path.ts";
import { looksLikeSrs } from "../../src/address/srs.ts";
import { parseDmarcRecord } from "../../src/dmarc/dmarc-record.ts";
import { parseAuthenticationResults } from "../../src/message/authentication-results.ts";
import { parseContentType } from "../../src/message/content-type.ts";
import { findMechanism } from "../../src/sasl/mechanisms.ts";
import { parseCommand } from "../../src/smtp/command-parser.ts";
import { splitParameters } from "../../src/smtp/esmtp-parameters.ts";
import { isWithin } from "../../src/spf/dns-name.ts";
import { isSpfRecord, parseSpfRecord } from "../../src/spf/record.ts";
import { parseQueueId } from "../../src/spool/queue-id.ts";

const readers: readonly (readonly [what: string, word: string, isRead: (word: string) => boolean])[] = [
  ["a command", "rset", (word) => parseCommand(word).verb === "RSET"],
  ["a command with an i", "quit", (word) => parseCommand(word).verb === "QUIT"],
  ["a parameter", "size", (word) => {
    const parameters = splitParameters(` ${word}=1`);
    return Array.isArray(parameters) && parameters[0]?.keyword === "SIZE";
  }],
  ["a SASL mechanism", "plain", (word) => findMechanism(word) !== undefined],
  ["the one name without a domain", "postmaster", (word) => parseForwardPath(`<${word}>`, { smtpUtf8: true }).kind === "path"],
  ["the form of SRS", "srs0=x", looksLikeSrs],
  ["an SPF record", "v=spf1", isSpfRecord],
  ["an SPF mechanism", "exists", (word) => "directives" in parseSpfRecord(`v=spf1 ${word}:a.test`)],
  ["a DMARC alignment", "s", (word) => {
    const record = parseDmarcRecord(`v=DMARC1; p=none; aspf=${word}`);
    return "record" in record && record.record.aspf === "strict";
  }],
  ["a method of Authentication-Results", "spf", (word) => parseAuthenticationResults(`a.test; ${word}=pass`)?.results[0]?.method === "spf"],
  ["a MIME type", "multipart", (word) => parseContentType(`${word}/mixed`).type === "multipart"],
  ["a MIME parameter", "charset", (word) => parseContentType(`text/plain; ${word}=x`).parameters.has("charset")],
  ["a user's name", "kiss", (word) => keyOf(`${word}@a.test`) === "kiss@a.test"],
  ["a domain", "kiss.test", (word) => domainKeyOf(word) === "kiss.test"],
  ["a domain within another", "a.kiss.test", (word) => isWithin(word, "KISS.test")],
  ["a queue id", "2n1hqcazack3", (word) => parseQueueId(word) !== undefined],
]; // prettier-ignore

function keyOf(text: string): string | undefined {
  const mailbox = parseMailbox(text);
  return mailbox === undefined ? undefined : mailboxKey(mailbox);
}

const others: readonly (readonly [string, readonly string[]])[] = [
  ["k", ["\u{212a}"]],
  ["s", ["\u{17f}"]],
  ["i", ["\u{131}", "\u{130}"]],
];

for (const [what, word, isRead] of readers) {
  test(`${what} is known in any case of ASCII and in no other letters: ${word}`, () => {
    for (const spelling of [word, word.toUpperCase()]) assert.equal(isRead(spelling), true, spelling);
    let tried = 0;
    for (const [letter, spellings] of others) {
      for (const spelling of word.includes(letter) ? spellings : []) {
        tried++;
        assert.equal(isRead(word.replace(letter, spelling)), false, `${letter} as ${JSON.stringify(spelling)}`);
      }
    }
    assert.ok(tried > 0, "the word has a letter to be mistaken");
  });
}
