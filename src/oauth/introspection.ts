/** Asks an issuer about a token (RFC 7662): whether it is good now, whose it is, and for what. */
import type { Clock } from "../ports/clock.ts";
import type { ServiceClient } from "../ports/service-client.ts";
import { basicAuthorization, hostOf, requestJson } from "./json-request.ts";
import type { IssuerSettings } from "./settings.ts";
import { accountOf, invalid, isFor } from "./token-claims.ts";
import type { TokenResult } from "./token-check.ts";

type Endpoint = NonNullable<IssuerSettings["introspection"]>;

/** Never rejects. Nothing is kept: a token that was revoked ends at once. */
export async function introspect(
  token: string,
  settings: IssuerSettings,
  { url, client_id: id, client_secret: secret }: Endpoint,
  { http, clock }: { readonly http: ServiceClient; readonly clock: Clock },
): Promise<TokenResult> {
  const answer = await requestJson(
    http,
    { url, form: { token, token_type_hint: "access_token" }, authorization: basicAuthorization(id, secret) },
    { certificateAuthorities: settings.ca === undefined ? [] : [settings.ca] },
  );
  if (answer.kind === "failure") return unavailable(`the issuer cannot be asked: ${answer.reason}`);
  const { status, value: claims } = answer;
  if (status === 401 || status === 403) {
    return unavailable(`${hostOf(url)} answers ${status}; correct client_id and client_secret of its introspection`);
  }
  if (status !== 200) return unavailable(`${hostOf(url)} answers ${status}`);
  if (claims["active"] !== true) return invalid("its issuer says that it is not active");
  const { iss, exp, nbf } = claims;
  if (iss !== undefined && iss !== settings.url) return invalid("it is of another issuer");
  const { audience, clock_leeway: leewayMs } = settings;
  if (audience !== undefined && !isFor(audience, claims)) return invalid("it is for another service (aud)");
  const now = clock.now();
  if (typeof exp === "number" && exp * 1000 + leewayMs <= now) return invalid("it has expired");
  if (typeof nbf === "number" && nbf * 1000 - leewayMs > now) return invalid("it is not valid yet");
  return accountOf(claims, settings);
}

function unavailable(reason: string): TokenResult {
  return { kind: "unavailable", reason };
}
