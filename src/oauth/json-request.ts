/** One HTTP request whose answer is a JSON object: what documents and endpoints of OAuth have in common. */
import type { ServiceClient, ServiceRequest } from "../ports/service-client.ts";

export type JsonAnswer =
  | { readonly kind: "object"; readonly status: number; readonly value: Readonly<Record<string, unknown>> }
  /** `reason`: as the end of a sentence. */
  | { readonly kind: "failure"; readonly reason: string };

/** Key sets of large issuers have 20 KB; everything else is smaller. */
const bytesMax = 262_144;

/** Never rejects. The status is the caller's to judge: errors of OAuth come as JSON with 400 (RFC 6749 §5.2). */
export async function requestJson(
  http: ServiceClient,
  request: ServiceRequest,
  options: { readonly certificateAuthorities?: readonly string[] | undefined; readonly signal?: AbortSignal } = {},
): Promise<JsonAnswer> {
  const response = await http.request(request, { bytesMax, ...options });
  if (response.kind === "failure") return { kind: "failure", reason: response.detail };
  const { status, body } = response;
  const value = objectOf(body);
  if (value !== undefined) return { kind: "object", status, value };
  return { kind: "failure", reason: `${hostOf(request.url)} answers ${status} without a JSON object` };
}

export function hostOf(url: string): string {
  return URL.parse(url)?.host ?? url;
}

/** RFC 6749 §2.3.1: id and secret are form-encoded before they go into Basic credentials. */
export function basicAuthorization(clientId: string, clientSecret: string): string {
  const pair = [clientId, clientSecret].map((text) => new URLSearchParams({ v: text }).toString().slice(2)).join(":");
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}

function objectOf(body: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}
