/**
 * HTTPS requests as an argument, to hosts that the configuration names. Redirects are not followed, and what is read and
 * waited for is bounded.
 */
export interface HttpRequest {
  readonly url: string;
  readonly method: "GET" | "HEAD" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** A larger answer is refused. */
  readonly bytesMax: number;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface HttpClient {
  /**
   * Rejects with an Error whose message is the end of a sentence where no answer came: no address, no connection, a
   * certificate that is not trusted, too large, too late.
   */
  request(request: HttpRequest): Promise<HttpAnswer>;
}
