/**
 * This server as an OAuth client (RFC 6749): asks the token endpoint of a provider for access tokens, and says what an answer
 * means. Nothing here is kept, and no sentence holds a token or a secret.
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { shorten } from "../lib/shorten.ts";
import type { ServiceClient } from "../ports/service-client.ts";
import type { ClientSettings } from "./client-settings.ts";
import { hostOf, requestJson } from "./json-request.ts";

type Endpoint = Pick<ClientSettings, "client_id" | "client_secret" | "token_url" | "ca">;

export interface GrantedTokens {
  readonly kind: "granted";
  readonly accessToken: string;
  readonly lifetimeMs: number;
  /** Absent: the one that was used stays good (RFC 6749 §6). */
  readonly refreshToken?: string;
}

export type TokenAnswer =
  | GrantedTokens
  /** `error`: a code of RFC 6749 §5.2 or RFC 8628 §3.5; `reason`: the same as the end of a sentence. */
  | { readonly kind: "refused"; readonly error: string; readonly reason: string }
  | { readonly kind: "unavailable"; readonly reason: string };

/** Providers give an hour; RFC 6749 §5.1 lets them leave it out. */
const usualLifetimeSeconds = 3600;
const longestLifetimeSeconds = 86_400;
/** As the mechanisms take it (sasl/oauth.ts). */
const tokenCharacters = /^[A-Za-z0-9._~+/-]{1,8192}=*$/;
const refreshTokenBytesMax = 8192;

/** Never rejects. `form`: what the grant wants, without the client's own name. */
export async function requestToken(
  http: ServiceClient,
  client: Endpoint,
  form: Readonly<Record<string, string>>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<TokenAnswer> {
  const { token_url: url, ca } = client;
  const whole = { ...form, ...clientForm(client) };
  const certificateAuthorities = ca === undefined ? [] : [ca];
  const answer = await requestJson(http, { url, form: whole }, { certificateAuthorities, ...options });
  if (answer.kind === "failure") return { kind: "unavailable", reason: answer.reason };
  const { status, value } = answer;
  if (status === 200) return granted(value) ?? unusable(url);
  const { error, error_description: description } = value;
  if (status >= 500 || status === 429 || typeof error !== "string") {
    return { kind: "unavailable", reason: `${hostOf(url)} answers ${status}` };
  }
  return { kind: "refused", error: printable(error, 64), reason: refusalWords(error, description) };
}

/** Who asks (RFC 6749 §2.3.1); providers of mail take the secret in the form. */
export function clientForm({
  client_id: id,
  client_secret: secret,
}: Pick<Endpoint, "client_id" | "client_secret">): Readonly<Record<string, string>> {
  return { client_id: id, ...(secret !== undefined && { client_secret: secret }) };
}

/** `invalid_grant: Token has been expired or revoked`. */
export function refusalWords(error: string, description: unknown): string {
  return typeof description === "string" && description !== ""
    ? `${printable(error, 64)}: ${printable(description, 300)}`
    : printable(error, 64);
}

export function isRefreshToken(text: unknown): text is string {
  return typeof text === "string" && text.length <= refreshTokenBytesMax && /^[\x20-\x7e]+$/.test(text);
}

function granted(value: Readonly<Record<string, unknown>>): GrantedTokens | undefined {
  const { access_token: accessToken, token_type: type, expires_in: seconds, refresh_token: refreshToken } = value;
  if (typeof accessToken !== "string" || !tokenCharacters.test(accessToken)) return undefined;
  if (typeof type !== "string" || asciiLowerCase(type) !== "bearer") return undefined;
  // Some providers write the number as text.
  const lifetime = Number(seconds ?? usualLifetimeSeconds);
  if (!(lifetime > 0)) return undefined;
  return {
    kind: "granted",
    accessToken,
    lifetimeMs: Math.min(lifetime, longestLifetimeSeconds) * 1000,
    ...(isRefreshToken(refreshToken) && { refreshToken }),
  };
}

function unusable(url: string): TokenAnswer {
  return { kind: "unavailable", reason: `${hostOf(url)} answers without a bearer token` };
}

/** A provider's words go into the log and onto the terminal. */
function printable(text: string, lengthMax: number): string {
  return shorten(text.replaceAll(/[^\x20-\x7e]+/g, " ").trim(), lengthMax);
}
