/** What a token's claims say: for whom it is, what it may do, whose it is. */
import { domainKeyOf } from "../address/domain.ts";
import type { IssuerSettings } from "./settings.ts";
import type { TokenResult } from "./token-check.ts";

export type Claims = Readonly<Record<string, unknown>>;

type Terms = Pick<IssuerSettings, "scopes" | "account_claim" | "domains">;

/** For claims that can be trusted: of a token whose signature is right, or as its issuer told them. */
export function accountOf(claims: Claims, { scopes, account_claim: name, domains }: Terms): TokenResult {
  const granted = scopesOf(claims);
  const missing = scopes.find((scope) => !granted.has(scope));
  if (missing !== undefined) return invalid(`it lacks the scope ${missing}`);
  const username = claims[name];
  if (typeof username !== "string" || username === "") return invalid(`it has no claim "${name}"`);
  if (name === "email" && claims["email_verified"] === false) return invalid("its address is not verified");
  if (domains !== undefined && !isIn(domains, username)) return invalid(`its issuer has no say about ${username}`);
  return { kind: "valid", username };
}

/** RFC 9068 §2.2.3, RFC 8693 §4.2: words in one text; some issuers write `scp`, also as a list. */
function scopesOf({ scope, scp }: Claims): ReadonlySet<unknown> {
  const words = [scope, scp].flatMap((value) => (typeof value === "string" ? value.split(" ") : value));
  return new Set(words);
}

/** RFC 7519 §4.1.3: one text or a list. */
export function isFor(audience: readonly string[], { aud }: Claims): boolean {
  const meant: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  return meant.some((name) => typeof name === "string" && audience.includes(name));
}

function isIn(domains: readonly string[], username: string): boolean {
  const key = domainKeyOf(username.slice(username.lastIndexOf("@") + 1));
  return key !== undefined && domains.some((domain) => domainKeyOf(domain) === key);
}

export function invalid(reason: string): TokenResult {
  return { kind: "invalid", reason };
}
