/**
 * Address lists of header fields (RFC 5322 §3.4, RFC 6532): mailboxes and groups, with comments, folding, quoted strings
 * and the obsolete forms of RFC 5322 §4.4.
 *
 * It only finds where each address stands; what the address is, `address/` decides, so that header and envelope are read
 * by the same eyes. What has no single meaning is refused rather than guessed: programs that disagree about an author
 * are how mail gets forged.
 */
import { dnsNameKeyOf, domainKeyOf } from "../address/domain.ts";
import { mailboxKey, parseMailbox } from "../address/mailbox-text.ts";
import type { Mailbox } from "../address/mailbox.ts";
import { type AddressToken, tokenizeAddresses } from "./address-tokens.ts";

export interface HeaderMailbox {
  /** Display name without quotes; encoded words are left encoded. */
  readonly name?: string;
  readonly mailbox: Mailbox;
  /** Name of the group it is in. */
  readonly group?: string;
}

export interface AddressList {
  readonly kind: "list";
  readonly mailboxes: readonly HeaderMailbox[];
}

export interface MalformedAddressList {
  readonly kind: "malformed";
  /** Short ASCII text for the peer; nothing of its input is repeated. */
  readonly reason: string;
  /** Index in the value of what is wrong, or of the address or group that is. */
  readonly at: number;
}

export interface AddressListOptions {
  /**
   * For those who want to know only which domain is meant: what RFC 5322 §3.4.1 lets stand but SMTP does not is taken
   * too (local-parts longer than 64 octets or with dots in a row, underscores in the domain).
   */
  readonly unroutable?: boolean;
}

/** `value`: the unfolded value of one field. An empty value is an empty list. */
export function parseAddressList(value: string, options: AddressListOptions = {}): AddressList | MalformedAddressList {
  const tokens = tokenizeAddresses(value);
  if (!("length" in tokens)) return { kind: "malformed", ...tokens };
  return new ListParser(tokens, options.unroutable ?? false).parse();
}

/** What stands before a comma, an angle bracket, a colon or a semicolon: a name or an address, as it turns out. */
type Words = readonly AddressToken[];

class ListParser {
  readonly #tokens: readonly AddressToken[];
  readonly #unroutable: boolean;
  readonly #mailboxes: HeaderMailbox[] = [];
  #at = 0;
  #group: string | undefined;

  constructor(tokens: readonly AddressToken[], unroutable: boolean) {
    this.#tokens = tokens;
    this.#unroutable = unroutable;
  }

  parse(): AddressList | MalformedAddressList {
    for (;;) {
      const at = this.#tokens[this.#at]?.at ?? 0;
      const problem = this.#element();
      if (problem !== undefined) return { kind: "malformed", reason: problem, at };
      if (this.#at >= this.#tokens.length) break;
    }
    if (this.#group !== undefined)
      return { kind: "malformed", reason: "A group lacks its semicolon", at: this.#tokens.at(-1)?.at ?? 0 };
    return { kind: "list", mailboxes: this.#mailboxes };
  }

  /** One mailbox, or the beginning or end of a group, with the comma or semicolon behind it. Returns what is wrong. */
  #element(): string | undefined {
    const words = this.#words();
    const next = this.#tokens[this.#at++];
    switch (next?.text) {
      case "<":
        return this.#angleAddress(words);
      case ":":
        return this.#beginGroup(words);
      case ";":
      case ",":
      case undefined:
        // Elements may be empty in the obsolete syntax (RFC 5322 §4.4).
        return (words.length === 0 ? undefined : this.#add(words, undefined)) ?? this.#endElement(next);
      default:
        return "An address has an angle bracket too many";
    }
  }

  #words(): Words {
    const start = this.#at;
    while (this.#at < this.#tokens.length && !endsWords(this.#tokens[this.#at])) this.#at++;
    return this.#tokens.slice(start, this.#at);
  }

  /** Behind `<`. */
  #angleAddress(name: Words): string | undefined {
    let address = this.#words();
    // An obsolete source route, `@a,@b:` (RFC 5322 §4.4), says nothing about who is meant.
    while (isSpecial(address[0], "@") && isSpecial(this.#tokens[this.#at], ",")) {
      this.#at++;
      address = this.#words();
    }
    if (isSpecial(address[0], "@") && isSpecial(this.#tokens[this.#at], ":")) {
      this.#at++;
      address = this.#words();
    }
    if (!isSpecial(this.#tokens[this.#at++], ">")) return "An address lacks its closing angle bracket";
    const next = this.#tokens[this.#at++];
    if (next !== undefined && !isSpecial(next, ",") && !isSpecial(next, ";")) return "Text follows an address";
    return this.#add(address, name) ?? this.#endElement(next);
  }

  #beginGroup(name: Words): string | undefined {
    if (this.#group !== undefined) return "A group is within a group";
    if (name.length === 0 || name.some((token) => isSpecial(token, "@"))) return "A group has no name";
    this.#group = textOf(name);
    return undefined;
  }

  #endElement(separator: AddressToken | undefined): string | undefined {
    if (!isSpecial(separator, ";")) return undefined;
    if (this.#group === undefined) return "A semicolon ends no group";
    this.#group = undefined;
    const next = this.#tokens[this.#at];
    if (next === undefined) return undefined;
    this.#at++;
    return isSpecial(next, ",") ? undefined : "Text follows a group";
  }

  #add(address: Words, name: Words | undefined): string | undefined {
    const mailbox = mailboxOf(address) ?? (this.#unroutable ? unroutableMailboxOf(address) : undefined);
    if (mailbox === undefined) return "An address is malformed";
    if (name !== undefined && !isName(name, mailbox)) return "A display name with an @ is not in quotes";
    const text = name === undefined ? "" : textOf(name);
    this.#mailboxes.push({
      ...(text !== "" && { name: text }),
      mailbox,
      ...(this.#group !== undefined && { group: this.#group }),
    });
    return undefined;
  }
}

/**
 * A name that is not quoted must not look like another address. Many programs put the same address there; that one
 * misleads nobody.
 */
function isName(name: Words, mailbox: Mailbox): boolean {
  if (!name.some((token) => token.text.includes("@") && token.kind !== "quoted")) return true;
  const other = mailboxOf(name);
  return other !== undefined && mailboxKey(other) === mailboxKey(mailbox);
}

/** RFC 5322 §3.4.1 and §4.4: words and dots, `@`, domain; comments and white space between them do not count. */
function mailboxOf(words: Words): Mailbox | undefined {
  const at = words.findIndex((token) => isSpecial(token, "@"));
  if (at < 1) return undefined;
  const domainWords = words.slice(at + 1);
  const localPart = dotted(words.slice(0, at));
  const domain = domainWords[0]?.kind === "literal" ? domainWords[0].text : dotted(domainWords);
  if (localPart === undefined || domain === undefined) return undefined;
  if (domainWords.some(({ kind }) => kind === "quoted" || (kind === "literal" && domainWords.length > 1))) {
    return undefined;
  }
  const quoted = words.slice(0, at).some(({ kind }) => kind === "quoted");
  const written = quoted ? `"${localPart.replaceAll(/["\\]/g, "\\$&")}"` : localPart;
  return parseMailbox(`${written}@${domain}`);
}

/** Any words and dots before the only `@`, a domain behind it. */
function unroutableMailboxOf(words: Words): Mailbox | undefined {
  const at = words.findIndex((token) => isSpecial(token, "@"));
  const local = words.slice(0, Math.max(at, 0));
  const domainWords = words.slice(at + 1);
  if (local.length === 0 || local.some(({ kind }) => kind === "literal")) return undefined;
  if (domainWords.some(({ kind }) => kind === "quoted" || kind === "literal")) return undefined;
  const domain = dotted(domainWords);
  if (domain === undefined) return undefined;
  const domainKey = domainKeyOf(domain) ?? dnsNameKeyOf(domain);
  return domainKey === undefined ? undefined : { localPart: local.map(({ text }) => text).join(""), domain, domainKey };
}

/** Words and dots in turn, beginning and ending with a word. */
function dotted(words: Words): string | undefined {
  let text = "";
  for (const [index, token] of words.entries()) {
    if (isSpecial(token, ".") !== (index % 2 === 1) || token.kind === "literal" || isSpecial(token, "@")) {
      return undefined;
    }
    text += token.text;
  }
  return words.length % 2 === 1 ? text : undefined;
}

function textOf(words: Words): string {
  let text = "";
  for (const token of words) text += token.spaceBefore && text !== "" ? ` ${token.text}` : token.text;
  return text.trim();
}

function endsWords(token: AddressToken | undefined): boolean {
  return token?.kind === "special" && token.text !== "." && token.text !== "@";
}

function isSpecial(token: AddressToken | undefined, text: string): boolean {
  return token?.kind === "special" && token.text === text;
}
