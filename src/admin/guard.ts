/**
 * Who may speak to the HTTP side. A web page must not read an inbox by DNS rebinding, so Host has to be a name of ours
 * and Origin, where a browser sends one, has to be the same; a token is asked for where one is set.
 */
import { createHash, timingSafeEqual } from "node:crypto";
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
  readonly status: 401 | 403;
  readonly error: string;
}

const loopbackHosts = ["localhost", "127.0.0.1", "[::1]"];

/** undefined: go on. */
export function refusalOf(request: Request, settings: GuardSettings): Refusal | undefined {
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
  if (settings.token !== undefined && !sameToken(request.headers.get("authorization"), settings.token)) {
    const where = "the `token` of [admin], or where that is not set the one in data_dir/admin.token";
    return { status: 401, error: `this API needs a token, as \`Authorization: Bearer …\`: ${where}` };
  }
  return undefined;
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
