/** Checks access tokens that are JWTs (RFC 9068, RFC 7519) against the keys of their issuer, with `jose`. */
import { decodeJwt, errors, type JWTPayload, jwtVerify, type JWTVerifyOptions, type CryptoKey } from "jose";
import { errorText } from "../lib/error-text.ts";
import type { Clock } from "../ports/clock.ts";
import type { ServiceClient } from "../ports/service-client.ts";
import { IssuerKeys, type KeysAnswer } from "./issuer-keys.ts";
import type { IssuerSettings } from "./settings.ts";
import { accountOf, invalid } from "./token-claims.ts";
import type { TokenResult } from "./token-check.ts";

type Keys = Extract<KeysAnswer, { readonly kind: "keys" }>;
type Verdict = { readonly claims: JWTPayload } | { readonly unknownKey: true } | Refused;
type Refused = Omit<Extract<TokenResult, { readonly kind: "invalid" }>, "kind">;

/** Keys tried for a token that names none. */
const keysTriedMax = 8;

export class JwtCheck {
  readonly #settings: IssuerSettings;
  readonly #clock: Clock;
  readonly #keys: IssuerKeys;

  constructor(settings: IssuerSettings, ports: { readonly http: ServiceClient; readonly clock: Clock }) {
    this.#settings = settings;
    this.#clock = ports.clock;
    this.#keys = new IssuerKeys(settings, ports);
  }

  /** Never rejects. */
  async check(token: string): Promise<TokenResult> {
    const first = await this.#keys.current();
    if (first.kind === "unavailable") return first;
    const verdict = await this.#verify(token, first);
    if (!("unknownKey" in verdict)) return this.#result(verdict);
    const second = await this.#keys.newerThan(first.keys);
    if (second.kind === "unavailable") return second;
    const again = second.keys === first.keys ? verdict : await this.#verify(token, second);
    if (!("unknownKey" in again)) return this.#result(again);
    // A token that is younger than what we know may be signed by a key that we could not fetch yet.
    if (issuedAt(token) > second.fetchedAt) {
      return { kind: "unavailable", reason: `the token is signed by a key that ${this.#settings.url} may have added` };
    }
    return invalid("it is signed by a key that its issuer does not publish");
  }

  #result(verdict: Exclude<Verdict, { readonly unknownKey: true }>): TokenResult {
    return "claims" in verdict ? accountOf(verdict.claims, this.#settings) : { kind: "invalid", ...verdict };
  }

  async #verify(token: string, { keys }: Keys): Promise<Verdict> {
    const { url, audience = [], algorithms, clock_leeway: leewayMs } = this.#settings;
    const options: JWTVerifyOptions = {
      issuer: url,
      audience: [...audience],
      algorithms,
      clockTolerance: leewayMs / 1000,
      currentDate: new Date(this.#clock.now()),
      // A token without an end would outlive its user.
      requiredClaims: ["exp"],
    };
    try {
      return { claims: (await jwtVerify(token, keys, options)).payload };
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return { unknownKey: true };
      if (error instanceof errors.JWKSMultipleMatchingKeys) return await verifyByAny(token, error, options);
      return refusedFor(error);
    }
  }
}

/** RFC 7515 §4.1.4: a key id is optional; where several keys fit, one of them has to be right. */
async function verifyByAny(
  token: string,
  found: AsyncIterable<CryptoKey>,
  options: JWTVerifyOptions,
): Promise<Verdict> {
  let tried = 0;
  for await (const key of found) {
    if (tried++ >= keysTriedMax) break;
    try {
      return { claims: (await jwtVerify(token, key, options)).payload };
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) return refusedFor(error);
    }
  }
  return { unknownKey: true };
}

/** `jose` looks at the claims once the signature is known to be right. */
function refusedFor(error: unknown): Refused {
  return { reason: errorText(error), ...(error instanceof errors.JWTExpired && { expired: true }) };
}

/** Wall-clock time; without an `iat` as old as can be. Nothing has been verified yet. */
function issuedAt(token: string): number {
  const { iat } = decodeJwt(token);
  return typeof iat === "number" ? iat * 1000 : 0;
}
