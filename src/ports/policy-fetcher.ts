/**
 * HTTPS as an argument, as far as policies of other domains need it (RFC 8461 §3.3): one GET, with a certificate that a
 * trusted authority issued for the host, no redirects, no cache, bounded in size and time.
 */

export interface PolicyFetcher {
  /**
   * Never rejects. `host` is a name in A-labels, and also what the certificate must be for. Addresses that are not public
   * are not used unless `allowPrivate` says so. A body that is larger than `bytesMax` is not read on.
   */
  fetch(host: string, path: string, options: FetchOptions): Promise<PolicyResponse>;
}

export interface FetchOptions {
  readonly bytesMax: number;
  readonly allowPrivate?: boolean;
  readonly signal?: AbortSignal;
}

export type PolicyResponse =
  | {
      readonly kind: "response";
      readonly status: number;
      /** As the server wrote it. */
      readonly contentType: string | undefined;
      readonly body: Uint8Array;
    }
  | {
      readonly kind: "failure";
      /** `certificate`: the host answered, and is not who it should be. */
      readonly fault: "dns" | "unreachable" | "certificate" | "too-large" | "time-out";
      /** As the end of a sentence. */
      readonly detail: string;
    };
