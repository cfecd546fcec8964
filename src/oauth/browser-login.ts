/**
 * Login through a browser that runs elsewhere (RFC 6749 §4.1 with PKCE, RFC 7636): the person opens an address, consents, and
 * brings back the address to which the browser was sent. Nobody listens there, so the page stays empty; what counts is in
 * the address. For providers that do not give the scope to devices.
 */
import { createHash } from "node:crypto";
import type { ServiceClient } from "../ports/service-client.ts";
import type { Random } from "../ports/random.ts";
import type { ClientSettings } from "./client-settings.ts";
import { refusalWords, requestToken, type TokenAnswer } from "./token-endpoint.ts";

export interface BrowserLogin {
  /** To be opened in a browser. */
  readonly url: string;
  /** `pasted`: the address to which the browser was sent. Never rejects. */
  finish(pasted: string): Promise<TokenAnswer>;
}

/** RFC 8252 §7.3: native applications may name any port of the loopback address; nothing listens on this one. */
const redirectUrl = "http://127.0.0.1:1/";
/** RFC 7636 §4.1: at least 43 characters. */
const verifierBytes = 32;
const stateBytes = 16;

export function beginBrowserLogin(
  client: ClientSettings & { readonly authorization_url: string },
  { http, random }: { readonly http: ServiceClient; readonly random: Random },
): BrowserLogin {
  const verifier = Buffer.from(random.bytes(verifierBytes)).toString("base64url");
  const state = Buffer.from(random.bytes(stateBytes)).toString("base64url");
  const url = new URL(client.authorization_url);
  const wanted = {
    response_type: "code",
    client_id: client.client_id,
    redirect_uri: redirectUrl,
    scope: client.scope,
    state,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(wanted)) url.searchParams.set(name, value);
  return {
    url: url.href,
    finish: async (pasted) => {
      const found = codeOf(pasted.trim(), state);
      if (typeof found === "object") return { kind: "refused", error: "invalid_request", ...found };
      const form = {
        grant_type: "authorization_code",
        code: found,
        redirect_uri: redirectUrl,
        code_verifier: verifier,
      };
      return await requestToken(http, client, form);
    },
  };
}

/** The code, or why there is none. */
function codeOf(pasted: string, state: string): string | { readonly reason: string } {
  const query = URL.parse(pasted)?.searchParams;
  const error = query?.get("error");
  if (typeof error === "string") return { reason: refusalWords(error, query?.get("error_description")) };
  const code = query?.get("code");
  if (typeof code !== "string" || code === "" || code.length > 4096) {
    return { reason: `this is not the address that the browser shows afterwards; it begins with ${redirectUrl}?` };
  }
  // RFC 6749 §10.12: an address that somebody else began would log in another account.
  return query?.get("state") === state ? code : { reason: "this address belongs to another login; begin again" };
}
