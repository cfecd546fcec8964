/**
 * Who may speak to the HTTP side. A web page must not read an inbox by DNS rebinding, so Host has to be a name of ours
 * and Origin, where a browser sends one, has to be the same; where a token is set, it is asked for, or the app password of a
 * user.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { LoginResult } from "../accounts/account-directory.ts";
import type { AppPasswordScope } from "../accounts/app-passwords.ts";
import { parseIpAddress } from "../lib/ip-network.ts";
import type { Settings } from "../config/settings-schema.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { printableJson } from "../lib/printable-text.ts";

export interface GuardSettings {
  /** Names under which the server may be addressed, besides loopback ones and the address it listens on. */
  readonly hostnames: readonly string[];
  /** It listens on every address of the machine, so each may be named. No name of DNS leads to an address in digits. */
  readonly anyAddress?: true;
  readonly token?: string;
}

export interface Refusal {
  readonly status: 401 | 403 | 429 | 503;
  readonly error: string;
}

/** Whether the app password of a user lets its program do that. Never rejects. */
export type ApiSignIn = (
  login: { readonly username: string; readonly password: string },
  scope: Exclude<AppPasswordScope, "send">,
) => Promise<LoginResult>;

const loopbackHosts = ["localhost", "127.0.0.1", "[::1]"];

/** `signIn` absent: nobody has an app password. undefined: go on. */
export async function refusalOf(
  request: Request,
  settings: GuardSettings,
  signIn?: ApiSignIn,
): Promise<Refusal | undefined> {
  const foreign = foreignPage(request, settings);
  if (foreign !== undefined || settings.token === undefined) return foreign;
  const header = request.headers.get("authorization");
  const login = signIn && basicLogin(header);
  if (signIn !== undefined && login !== undefined) return refusalOfLogin(await signIn(login, scopeOf(request)));
  if (sameToken(header, settings.token)) return undefined;
  const where = "the `token` of [admin], or where that is not set the one in data_dir/admin.token";
  return { status: 401, error: `this API needs a token, as \`Authorization: Bearer …\`: ${where}` };
}

function foreignPage(request: Request, settings: GuardSettings): Refusal | undefined {
  const host = request.headers.get("host") ?? new URL(request.url).host;
  const name = asciiLowerCase(host.replace(/:\d+$/, ""));
  const byAddress = settings.anyAddress === true && parseIpAddress(name.replace(/^\[(.*)\]$/, "$1")) !== undefined;
  if (!byAddress && ![...loopbackHosts, ...settings.hostnames].includes(name)) {
    return { status: 403, error: `Host ${printableJson(host.slice(0, 100))} is not a name of this server` };
  }
  const origin = request.headers.get("origin");
  if (origin !== null && originHost(origin) !== asciiLowerCase(host)) {
    return { status: 403, error: `Origin ${printableJson(origin.slice(0, 100))} may not use this API` };
  }
  return undefined;
}

/** Reports that were received may be read with a smaller scope than everything else. */
function scopeOf({ method, url }: Request): "reports" | "admin" {
  const isReading = method === "GET" || method === "HEAD";
  return isReading && /^\/api\/v1\/reports(?:\/|$)/.test(new URL(url).pathname) ? "reports" : "admin";
}

/** RFC 7617 §2. undefined: the client signs in by other means, or what it sent cannot be read. */
function basicLogin(header: string | null): { readonly username: string; readonly password: string } | undefined {
  const encoded = /^basic ([A-Za-z0-9+/]{1,2048}={0,2})$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 1 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** The same words whatever was wrong: a client must not learn which users exist. */
function refusalOfLogin(result: LoginResult): Refusal | undefined {
  switch (result.kind) {
    case "accepted":
      return undefined;
    case "refused":
      if (result.reason === "out-of-scope") {
        return { status: 403, error: "the scope of this app password does not cover this request" };
      }
      return { status: 401, error: "no app password of this user is right" };
    case "throttled":
      return {
        status: 429,
        error: `too many failed sign-ins; try again in ${Math.ceil(result.retryAfterMs / 1000)} seconds`,
      };
    case "unavailable":
      return { status: 503, error: "app passwords cannot be checked now; try again later" };
    default:
      return result satisfies never;
  }
}

/** `made`: the token that is asked for where the configuration has none. */
export function guardSettings({ hostname, admin }: Settings, made: string | undefined): GuardSettings {
  const own = admin.listen.kind === "ip" ? [hostOf(admin.listen.address)] : [];
  const hostnames = [hostname, ...admin.hostnames, ...own].map((name) => asciiLowerCase(name));
  const token = admin.token ?? made;
  const wildcard = admin.listen.kind === "ip" && ["0.0.0.0", "::"].includes(admin.listen.address);
  return { hostnames, ...(wildcard && { anyAddress: true }), ...(token !== undefined && { token }) };
}

/** As a Host field has it. */
function hostOf(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

function originHost(origin: string): string | undefined {
  return URL.canParse(origin) ? asciiLowerCase(new URL(origin).host) : undefined;
}

function sameToken(header: string | null, token: string): boolean {
  const given = /^bearer (.+)$/i.exec(header ?? "")?.[1] ?? "";
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
