/** Login by device code (RFC 8628): the provider gives a code, a person types it in anywhere, and this side asks until they have. */
import type { Clock } from "../ports/clock.ts";
import { type ServiceClient, isSafeUrl } from "../ports/service-client.ts";
import type { ClientSettings } from "./client-settings.ts";
import { hostOf, requestJson } from "./json-request.ts";
import { clientForm, refusalWords, requestToken, type TokenAnswer } from "./token-endpoint.ts";

/** What the person is shown. */
export interface DevicePrompt {
  readonly code: string;
  readonly url: string;
  readonly lifetimeMs: number;
}

export interface DeviceLogin {
  readonly prompt: DevicePrompt;
  /** Asks until the person has decided, or the code has expired. Rejects when `signal` aborts, and never else. */
  wait(signal: AbortSignal): Promise<Exclude<TokenAnswer, { readonly kind: "unavailable" }>>;
}

export interface LoginPorts {
  readonly http: ServiceClient;
  readonly clock: Clock;
}

const grantType = "urn:ietf:params:oauth:grant-type:device_code";
/** RFC 8628 §3.5: five seconds where the provider says nothing, and five more each time it asks for patience. */
const intervalMs = 5000;
const longestIntervalMs = 60_000;
const longestLifetimeMs = 3_600_000;

/** The sentence's end where the provider gives no code. */
export async function beginDeviceLogin(
  client: ClientSettings & { readonly device_url: string },
  ports: LoginPorts,
): Promise<DeviceLogin | string> {
  const { device_url: url, scope, ca } = client;
  const form = { ...clientForm(client), scope };
  const answer = await requestJson(ports.http, { url, form }, { certificateAuthorities: ca === undefined ? [] : [ca] });
  if (answer.kind === "failure") return answer.reason;
  const { error, error_description: description } = answer.value;
  if (answer.status !== 200) {
    return typeof error === "string" ? refusalWords(error, description) : `${hostOf(url)} answers ${answer.status}`;
  }
  const read = readDeviceAnswer(answer.value);
  if (read === undefined) return `${hostOf(url)} answers without a code`;
  const { deviceCode, firstIntervalMs, ...prompt } = read;
  return { prompt, wait: (signal) => poll(client, deviceCode, { ...ports, ...prompt, firstIntervalMs, signal }) };
}

function readDeviceAnswer(value: Readonly<Record<string, unknown>>) {
  const { device_code: deviceCode, user_code: code, expires_in: expiresIn, interval } = value;
  // Google wrote it so before there was a standard.
  const url = value["verification_uri"] ?? value["verification_url"];
  if (typeof deviceCode !== "string" || typeof code !== "string" || typeof url !== "string") return undefined;
  if (!/^[\x21-\x7e]{1,4096}$/.test(deviceCode) || !/^[\x20-\x7e]{1,64}$/.test(code)) return undefined;
  const lifetimeMs = Math.min(Number(expiresIn) * 1000, longestLifetimeMs);
  if (!isSafeUrl(url) || !/^[\x21-\x7e]{1,512}$/.test(url) || !(lifetimeMs > 0)) return undefined;
  const asked = Number(interval ?? 0) * 1000;
  return {
    deviceCode,
    code,
    url,
    lifetimeMs,
    firstIntervalMs: asked > 0 ? Math.min(asked, longestIntervalMs) : intervalMs,
  };
}

async function poll(
  client: ClientSettings,
  deviceCode: string,
  how: LoginPorts & { readonly lifetimeMs: number; readonly firstIntervalMs: number; readonly signal: AbortSignal },
): Promise<Exclude<TokenAnswer, { readonly kind: "unavailable" }>> {
  const { http, clock, lifetimeMs, signal } = how;
  const endMs = clock.monotonicMs() + lifetimeMs;
  let waitMs = how.firstIntervalMs;
  while (clock.monotonicMs() + waitMs <= endMs) {
    await clock.sleep(waitMs, { signal });
    const answer = await requestToken(http, client, { grant_type: grantType, device_code: deviceCode }, { signal });
    if (answer.kind === "granted") return answer;
    const error = answer.kind === "refused" ? answer.error : "no answer";
    if (answer.kind === "refused" && error !== "authorization_pending" && error !== "slow_down") return answer;
    // No answer at all counts as a wish for patience (RFC 8628 §3.5).
    if (error !== "authorization_pending") waitMs = Math.min(waitMs + intervalMs, longestIntervalMs);
  }
  return { kind: "refused", error: "expired_token", reason: "the code was not entered in time" };
}
