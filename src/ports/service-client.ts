/**
 * HTTPS as an argument, as far as services need it that an operator names, such as an OAuth issuer: one request, a
 * certificate that a trusted authority issued for the host, no redirects, no cache, bounded in size and time. Policies
 * that other domains publish have stricter rules of their own (policy-fetcher.ts).
 */

export interface ServiceClient {
  /** Never rejects. A body larger than `bytesMax` is not read on. */
  request(request: ServiceRequest, options: ServiceOptions): Promise<ServiceResponse>;
}

export interface ServiceRequest {
  /** `https:`; `http:` only to this machine, since anybody could read along elsewhere ({@link isSafeUrl}). */
  readonly url: string;
  /** Sent by POST as `application/x-www-form-urlencoded`; absent: a GET. */
  readonly form?: Readonly<Record<string, string>>;
  /** Value of the Authorization field. */
  readonly authorization?: string;
}

export interface ServiceOptions {
  readonly bytesMax: number;
  /** Trusted besides the usual authorities; PEM. */
  readonly certificateAuthorities?: readonly string[] | undefined;
  readonly signal?: AbortSignal;
}

export type ServiceResponse =
  | { readonly kind: "response"; readonly status: number; readonly body: Uint8Array }
  /** `detail`: as the end of a sentence; it names the host, and nothing of what was sent. */
  | { readonly kind: "failure"; readonly detail: string };

/** Whether a secret may go to this URL: `https:`, or `http:` to an address of this machine. */
export function isSafeUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== "" || url.password !== "" || url.hash !== "") return false;
  if (url.protocol === "https:") return true;
  return url.protocol === "http:" && /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
}
