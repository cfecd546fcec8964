/**
 * Domains, users and aliases of one configuration, together with the stored users, as an immutable table: every question
 * about an address is answered from memory, at once. A reload makes a new table.
 *
 * Order of precedence at a local domain: the address for reports, user, alias, the same without `+tag`, every name
 * (`recipients = "any"`), postmaster and our own senders, catch-all.
 */
import { domainKeyOf } from "../address/domain.ts";
import { parseIpAddress } from "../address/ip-address.ts";
import { formatMailbox, mailboxKey, parseMailbox } from "../address/mailbox-text.ts";
import type { Mailbox } from "../address/mailbox.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { parseScramVerifiers, type ScramVerifier } from "../sasl/scram-verifier.ts";
import type { Resolution, Target } from "./account-directory.ts";
import { misleadingAliases, type AccountProblem } from "./account-problems.ts";
import { isNamed, withoutTag } from "./account-key.ts";
import type { AccountSettings, DomainSettings } from "./settings.ts";
import type { StoredUser } from "./user-store.ts";

export interface User {
  readonly key: string;
  /** As declared. */
  readonly address: string;
  readonly passwords: readonly string[];
  /** Of the same passwords. */
  readonly scram: readonly ScramVerifier[];
  /** As whom else the user may send, as declared; grants in the data directory are kept elsewhere. */
  readonly sendAs: readonly string[];
  /** `stored`: made by `posthaste user`; only those can be changed by it. */
  readonly origin: "configuration" | "stored";
}

interface Domain {
  readonly key: string;
  readonly name: string;
  readonly recipients: DomainSettings["recipients"];
  readonly catchAll?: Mailbox;
}

interface Alias {
  readonly address: string;
  readonly to: readonly Mailbox[];
}

/** Aliases inside aliases: real ones nest two or three deep. */
const aliasDepthMax = 10;
/** Targets of one address after expansion; a list with more members wants list software. */
const targetsMax = 1000;
const postmaster = "postmaster";
/** In From of every report (RFC 3464 §2: an address that takes mail). Other servers lead it to their postmaster, too. */
const mailerDaemon = "mailer-daemon";
/** With the space no address has it. */
const catchAllPrefix = "catch-all ";

export class AccountTable {
  readonly problems: readonly AccountProblem[];
  readonly #hostnameKey: string;
  readonly #domains = new Map<string, Domain>();
  readonly #users = new Map<string, User>();
  readonly #aliases = new Map<string, Alias>();
  /** Expansions that were asked for, by alias; bounded by the number of aliases. */
  readonly #expansions = new Map<string, Resolution>();
  readonly #primary: Domain | undefined;
  readonly #firstUser: Mailbox | undefined;
  readonly #reportKey: string | undefined;
  /** In From of the daily reports. */
  readonly #reportSenderKey: string | undefined;

  /** Problems do not throw: the first of two equal addresses counts, what leads nowhere resolves as broken. */
  constructor({ settings, users }: { readonly settings: AccountSettings; readonly users: readonly StoredUser[] }) {
    const problems: AccountProblem[] = [];
    this.#hostnameKey = domainKeyOf(settings.hostname) ?? asciiLowerCase(settings.hostname);
    for (const [index, { name, catch_all: catchAll, recipients }] of settings.domains.entries()) {
      const key = domainKeyOf(name) ?? asciiLowerCase(name);
      if (this.#domains.has(key)) problems.push({ section: "domain", index, message: `${name} is declared twice` });
      else
        this.#domains.set(key, {
          key,
          name,
          recipients,
          ...(catchAll !== undefined && { catchAll: mailboxOf(catchAll) }),
        });
    }
    this.#primary = this.#domains.values().find(({ recipients }) => recipients !== "none");
    const { reportAddress, reportSender } = settings;
    this.#reportKey = reportAddress === undefined ? undefined : mailboxKey(mailboxOf(reportAddress));
    this.#reportSenderKey = reportSender === undefined ? undefined : mailboxKey(mailboxOf(reportSender));
    for (const [index, { address, password, send_as: sendAs = [] }] of settings.users.entries()) {
      const passwords = password === undefined ? [] : typeof password === "string" ? [password] : password;
      const scram = parseScramVerifiers(passwords);
      problems.push(...this.#addUser({ address, passwords, scram, sendAs, origin: "configuration" }, "user", index));
    }
    for (const [index, alias] of settings.aliases.entries()) problems.push(...this.#addAlias(alias, index));
    for (const [index, user] of users.entries()) {
      const { address, passwords } = user;
      const scram = parseScramVerifiers([...passwords, ...(user.scram ?? [])]);
      problems.push(
        ...this.#addUser({ address, passwords, scram, sendAs: [], origin: "stored" }, "stored-user", index),
      );
    }
    const first = this.#users.values().next().value;
    this.#firstUser = first === undefined ? undefined : mailboxOf(first.address);
    problems.push(...misleadingAliases(settings, (address) => this.resolve(mailboxOf(address))));
    this.problems = problems;
  }

  get users(): readonly User[] {
    return [...this.#users.values()];
  }

  user(key: string): User | undefined {
    return this.#users.get(key);
  }

  hasAlias(key: string): boolean {
    return this.#aliases.has(key);
  }

  /** Whether the domain is configured. */
  hasDomain(domainKey: string): boolean {
    return this.#domains.has(domainKey);
  }

  /** Configured domains, and our own host name, where only postmaster and our own senders are at home. */
  isLocalDomain(domainKey: string): boolean {
    return this.#domains.has(domainKey) || domainKey === this.#hostnameKey;
  }

  resolve(mailbox: Mailbox, ourAddress?: string): Resolution {
    const domain = this.#domains.get(mailbox.domainKey);
    if (domain !== undefined) return this.#resolveAt(domain, mailbox);
    const atHome = mailbox.domainKey === "" || isLiteralOf(mailbox.domainKey, ourAddress);
    if (!atHome && mailbox.domainKey !== this.#hostnameKey) return { kind: "not-local" };
    const fullKey = mailboxKey(mailbox);
    const isSender = fullKey === this.#reportSenderKey;
    const named = isRole(fullKey) || isSender;
    if (this.#primary !== undefined && (atHome || named)) {
      const { name, key } = this.#primary;
      const localPart = isSender ? postmaster : mailbox.localPart;
      return this.#resolveAt(this.#primary, { localPart, domain: name, domainKey: key });
    }
    if (named) return this.#postmaster(undefined);
    return { kind: "unknown", setting: `hostname ${this.#hostnameKey} has only postmaster and mailer-daemon` };
  }

  #resolveAt(domain: Domain, mailbox: Mailbox): Resolution {
    if (domain.recipients === "none") {
      return { kind: "unknown", setting: `domain ${domain.name} recipients`, noMail: true };
    }
    const key = mailboxKey(mailbox);
    if (key === this.#reportKey) {
      return { kind: "local", via: "user", targets: [elsewhereTarget(mailbox)], setting: "reports address" };
    }
    const exact = this.#lookUp(key, mailbox, key);
    if (exact !== undefined) return exact;
    const bare = withoutTag(key);
    const untagged = bare === undefined ? undefined : this.#lookUp(bare, mailbox, key);
    if (untagged !== undefined) return untagged;
    if (domain.recipients === "any") {
      const setting = `domain ${domain.name} recipients`;
      return { kind: "local", via: "any", targets: [elsewhereTarget(mailbox)], setting };
    }
    if (isNamed(key, postmaster)) return this.#postmaster(domain);
    if (isNamed(key, mailerDaemon) || key === this.#reportSenderKey) {
      return this.#resolveAt(domain, { ...mailbox, localPart: postmaster });
    }
    if (domain.catchAll === undefined) return { kind: "unknown", setting: `domain ${domain.name}` };
    return this.#expansion(
      `${catchAllPrefix}${domain.key}`,
      "catch-all",
      [domain.catchAll],
      `domain ${domain.name} catch_all`,
    );
  }

  #lookUp(key: string, mailbox: Mailbox, fullKey: string): Resolution | undefined {
    const user = this.#users.get(key);
    if (user !== undefined) {
      const target = { address: formatMailbox(mailbox), domain: mailbox.domainKey, key: fullKey, user: key };
      return { kind: "local", via: "user", targets: [target], setting: `user ${user.address}` };
    }
    const alias = this.#aliases.get(key);
    if (alias === undefined) return undefined;
    return this.#expansion(key, "alias", alias.to, `alias ${alias.address}`);
  }

  /** RFC 5321 §4.5.1: there is always one. Asked when no user and no alias of that name is at the domain itself. */
  #postmaster(domain: Domain | undefined): Resolution {
    const primary = this.#primary;
    if (primary !== undefined && primary !== domain) {
      const own = { localPart: postmaster, domain: primary.name, domainKey: primary.key };
      const key = mailboxKey(own);
      const there = this.#lookUp(key, own, key);
      if (there !== undefined) return there;
    }
    const setting = "postmaster always exists";
    const fallback = domain?.catchAll ?? this.#firstUser;
    if (fallback !== undefined) {
      return this.#expansion(`postmaster ${domain?.key ?? ""}`, "postmaster", [fallback], setting);
    }
    const home = domain ?? { name: this.#hostnameKey, key: this.#hostnameKey };
    const target = elsewhereTarget({ localPart: postmaster, domain: home.name, domainKey: home.key });
    return { kind: "local", via: "postmaster", targets: [{ ...target, user: target.key }], setting };
  }

  #expansion(
    key: string,
    via: "alias" | "catch-all" | "postmaster",
    to: readonly Mailbox[],
    setting: string,
  ): Resolution {
    const known = this.#expansions.get(key);
    if (known !== undefined) return known;
    const expansion: Expansion = { targets: new Map(), visited: new Set([key]), loop: false, tooLarge: false };
    this.#expand(to, expansion, 1);
    const targets = [...expansion.targets.values()];
    const reason = expansion.tooLarge ? "alias-too-large" : expansion.loop ? "alias-loop" : "alias-without-target";
    const result: Resolution =
      expansion.tooLarge || targets.length === 0
        ? { kind: "broken", reason, setting }
        : { kind: "local", via, targets, setting };
    this.#expansions.set(key, result);
    return result;
  }

  /** Members that are nobody's are left out as long as someone is left; `check config` names them. */
  #expand(to: readonly Mailbox[], expansion: Expansion, depth: number): void {
    for (const mailbox of to) {
      if (expansion.targets.size >= targetsMax || depth > aliasDepthMax) expansion.tooLarge = true;
      if (expansion.tooLarge) return;
      const nested = this.#aliasOf(mailbox);
      if (nested === undefined) {
        for (const target of this.#leaves(mailbox)) expansion.targets.set(target.key, target);
      } else if (expansion.visited.has(nested.key)) {
        // A catch-all that comes back to itself names a mailbox that does not exist (yet): no circle of aliases.
        expansion.loop ||= !nested.key.startsWith(catchAllPrefix);
      } else {
        expansion.visited.add(nested.key);
        this.#expand(nested.to, expansion, depth + 1);
      }
    }
  }

  /** The list behind an address that is no mailbox of its own. */
  #aliasOf(mailbox: Mailbox): { readonly key: string; readonly to: readonly Mailbox[] } | undefined {
    const domain = this.#domains.get(mailbox.domainKey);
    const full = mailboxKey(mailbox);
    if (domain === undefined || full === this.#reportKey) return undefined;
    const bare = withoutTag(full);
    for (const key of bare === undefined ? [full] : [full, bare]) {
      if (this.#users.has(key)) return undefined;
      const alias = this.#aliases.get(key);
      if (alias !== undefined) return { key, to: alias.to };
    }
    const leadsToPostmaster = isRole(full) || full === this.#reportSenderKey;
    if (domain.recipients !== "known" || leadsToPostmaster || domain.catchAll === undefined) return undefined;
    return { key: `${catchAllPrefix}${domain.key}`, to: [domain.catchAll] };
  }

  #leaves(mailbox: Mailbox): readonly Target[] {
    if (!this.isLocalDomain(mailbox.domainKey)) return [{ ...elsewhereTarget(mailbox), elsewhere: true }];
    const resolution = this.resolve(mailbox);
    return resolution.kind === "local" ? resolution.targets : [];
  }

  #addUser(user: Omit<User, "key">, section: "user" | "stored-user", index: number): AccountProblem[] {
    const mailbox = mailboxOf(user.address);
    const key = mailboxKey(mailbox);
    const tagged =
      withoutTag(key) === undefined ? undefined : `${user.address} has a +tag; declare the user without it`;
    const problem = tagged ?? this.#problemWith(mailbox, key, user.address);
    if (problem === undefined) this.#users.set(key, { ...user, key });
    return problem === undefined ? [] : [{ section, index, message: problem }];
  }

  #addAlias({ address, to }: { address: string; to: readonly string[] }, index: number): AccountProblem[] {
    const mailbox = mailboxOf(address);
    const key = mailboxKey(mailbox);
    const problem = this.#problemWith(mailbox, key, address);
    if (problem === undefined) this.#aliases.set(key, { address, to: to.map(mailboxOf) });
    return problem === undefined ? [] : [{ section: "alias", index, message: problem }];
  }

  #problemWith(mailbox: Mailbox, key: string, address: string): string | undefined {
    if (!this.#domains.has(mailbox.domainKey)) return `${mailbox.domain} is not declared as a [[domain]]`;
    if (this.#domains.get(mailbox.domainKey)?.recipients === "none") {
      return `${mailbox.domain} receives no mail: its recipients are "none"`;
    }
    if (this.#users.has(key)) return `${address} is declared twice: there is a user of that name`;
    return this.#aliases.has(key) ? `${address} is declared twice: there is an alias of that name` : undefined;
  }
}

interface Expansion {
  readonly targets: Map<string, Target>;
  readonly visited: Set<string>;
  loop: boolean;
  tooLarge: boolean;
}

/** Names that exist wherever we are at home. */
function isRole(key: string): boolean {
  return isNamed(key, postmaster) || isNamed(key, mailerDaemon);
}

/** An address elsewhere, or one whose name we do not judge: the case of its local-part counts (RFC 5321 §2.4). */
export function elsewhereTarget(mailbox: Mailbox): Target {
  const { localPart, domainKey } = mailbox;
  return { address: formatMailbox(mailbox), domain: domainKey, key: `${localPart}@${domainKey}` };
}

function isLiteralOf(domainKey: string, ourAddress: string | undefined): boolean {
  if (ourAddress === undefined || !domainKey.startsWith("[")) return false;
  const ours = parseIpAddress(ourAddress);
  if (ours === undefined) return false;
  return domainKey === (ours.family === 4 ? `[${ours.text}]` : `[IPv6:${ours.text}]`);
}

/** For addresses that the settings' schema or `posthaste user` has already checked. */
function mailboxOf(address: string): Mailbox {
  const mailbox = parseMailbox(address);
  if (mailbox === undefined) throw new TypeError(`not an address: ${address}`);
  return mailbox;
}
