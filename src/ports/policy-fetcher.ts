/**
 * HTTPS as an argument, as far as policies of other domains need it (RFC 8461 §3.3): one GET, with a certificate that a
 * trusted authority issued for the host, no redirects, no cache, bounded in size and time.
 */

export interface PolicyFetcher {
  /**
   * Never rejects. `host` is a name in A-labels, and also what the certificate must be for; a host on addresses that are not
   * public is refused. A body that is larger than `bytesMax` is not read on.
   */
  fetch(
    host: string,
    path: string,
    options: { readonly bytesMax: number; readonly signal?: AbortSignal },
  ): Promise<PolicyResponse>;
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
