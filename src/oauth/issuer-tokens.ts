/**
 * Checks tokens against the issuers of the configuration. A JWT says who issued it, and goes to that issuer and no other;
 * any other token is asked about where introspection is set, issuer by issuer. Fails closed: what could not be checked
 * signs nobody in.
 */
import { decodeJwt } from "jose";
import { errorText } from "../lib/error-text.ts";
import type { Clock } from "../ports/clock.ts";
import type { ServiceClient } from "../ports/service-client.ts";
import type { TokenHelp } from "../sasl/server-mechanism.ts";
import { introspect } from "./introspection.ts";
import { discoveryUrl } from "./issuer-keys.ts";
import { JwtCheck } from "./jwt-check.ts";
import type { IssuerSettings } from "./settings.ts";
import type { TokenCheck, TokenResult } from "./token-check.ts";
import { invalid } from "./token-claims.ts";

/** Each may wait for an issuer: more sign-ins than that at once are told to come again. */
const pendingMax = 64;

export interface IssuerTokensPorts {
  /** Absent: no issuer can be asked, and no token checked. */
  readonly http?: ServiceClient | undefined;
  readonly clock: Clock;
}

interface Issuer {
  readonly settings: IssuerSettings;
  readonly check: (token: string) => Promise<TokenResult>;
}

export class IssuerTokens implements TokenCheck {
  readonly #ports: IssuerTokensPorts;
  #issuers: readonly Issuer[];
  #pending = 0;

  constructor(ports: IssuerTokensPorts, settings: readonly IssuerSettings[]) {
    this.#ports = ports;
    this.#issuers = settings.map((one) => issuerOf(one, ports));
  }

  /** Issuers that stay as they are keep the keys that they have. */
  reconfigure(settings: readonly IssuerSettings[]): void {
    this.#issuers = settings.map((one) => {
      const known = this.#issuers.find((issuer) => JSON.stringify(issuer.settings) === JSON.stringify(one));
      return known ?? issuerOf(one, this.#ports);
    });
  }

  /** RFC 7628 §3.2.2: with several issuers nobody knows which one is the client's, so none is named. */
  get help(): TokenHelp | undefined {
    const [first, ...others] = this.#issuers;
    if (first === undefined) return undefined;
    if (others.length > 0) return {};
    const { url, scopes, introspection } = first.settings;
    const [scope] = scopes;
    return {
      ...(scope !== undefined && { scope }),
      ...(introspection === undefined && { configuration: discoveryUrl(url) }),
    };
  }

  async check(token: string): Promise<TokenResult> {
    if (this.#pending >= pendingMax) return { kind: "unavailable", reason: "too many tokens are being checked" };
    this.#pending++;
    try {
      return await this.#check(token);
    } catch (error) {
      return { kind: "unavailable", reason: errorText(error) };
    } finally {
      this.#pending--;
    }
  }

  async #check(token: string): Promise<TokenResult> {
    const named = issuerNamed(token);
    if (named !== undefined) {
      const issuer = this.#issuers.find(({ settings }) => settings.url === named);
      return issuer === undefined ? invalid("its issuer is not one of [oauth]") : await issuer.check(token);
    }
    const asked = this.#issuers.filter(({ settings }) => settings.introspection !== undefined);
    let result = invalid("it is no JWT, and no issuer of [oauth] has introspection");
    for (const issuer of asked) {
      const answer = await issuer.check(token);
      if (answer.kind === "valid") return answer;
      if (result.kind === "invalid") result = answer;
    }
    return result;
  }
}

function issuerOf(settings: IssuerSettings, { http, clock }: IssuerTokensPorts): Issuer {
  if (http === undefined) {
    const reason = "this server has no HTTPS client";
    return { settings, check: () => Promise.resolve({ kind: "unavailable", reason }) };
  }
  const { introspection } = settings;
  if (introspection !== undefined) {
    return { settings, check: (token) => introspect(token, settings, introspection, { http, clock }) };
  }
  const jwt = new JwtCheck(settings, { http, clock });
  return { settings, check: (token) => jwt.check(token) };
}

/** As the token says itself: believed only so far as to choose who checks it. Undefined: it is no JWT. */
function issuerNamed(token: string): string | undefined {
  try {
    return decodeJwt(token).iss ?? "";
  } catch {
    return undefined;
  }
}
