/** HTTPS as an argument, as far as reports to other domains need it (RFC 8460 §3): one POST, bounded in time. */

export interface ReportPoster {
  /** Never rejects. Addresses that are not public are not used unless `allowPrivate` says so; redirects are not followed. */
  post(url: URL, report: PostedReport): Promise<PostResult>;
}

export interface PostedReport {
  readonly contentType: string;
  readonly body: Uint8Array;
  readonly allowPrivate: boolean;
}

export type PostResult =
  | { readonly kind: "response"; readonly status: number }
  /** `detail`: as the end of a sentence. */
  | { readonly kind: "failure"; readonly detail: string };
