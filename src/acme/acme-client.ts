/**
 * The conversation with an ACME server (RFC 8555 §6): directory, nonces, signed requests, errors in the server's own words.
 * It keeps nothing but the directory and the last nonce; who asks for what, and when, is decided elsewhere.
 */
import type { Clock } from "../ports/clock.ts";
import type { HttpAnswer, HttpClient } from "../ports/http-client.ts";
import { certificateRequest } from "./certificate-request.ts";
import { type AccountKey, type ExternalAccount, externalBinding, signedRequest } from "./jws.ts";
import {
  answerBytesMax,
  type Authorization,
  certificateBytesMax,
  type Challenge,
  type Directory,
  type Order,
  type Problem,
  problemWords,
  readAnswer,
  type RenewalInfo,
  shapes,
} from "./messages.ts";

/** Servers refuse a nonce now and then, also a fresh one (RFC 8555 §6.5). */
const nonceTriesMax = 10;
const retryAfterMaxMs = 86_400_000;

/** `message` holds the authority's own words, or why it could not be asked. */
export class AcmeError extends Error {
  override readonly name = "AcmeError";
  /** The last part of the problem's type (RFC 8555 §6.7): `rateLimited`, `badNonce`, `unauthorized`. */
  readonly code: string | undefined;
  /** What the server asks us to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    options: { readonly code?: string; readonly retryAfterMs?: number | undefined } & ErrorOptions = {},
  ) {
    super(message, options);
    this.code = options.code;
    this.retryAfterMs = options.retryAfterMs;
  }
}

export interface AcmeClientOptions {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly directory: string;
  readonly key: AccountKey;
  /** The account's URL, where there is one already. */
  readonly account?: string | undefined;
  readonly signal?: AbortSignal;
}

export interface NewAccount {
  readonly email: string;
  readonly externalAccount?: ExternalAccount | undefined;
}

/** Something that has a state and may have to be asked for again. */
export interface Polled<T> {
  readonly value: T;
  readonly retryAfterMs: number | undefined;
}

export class AcmeClient {
  readonly #options: AcmeClientOptions;
  #account: string | undefined;
  #directory: Directory | undefined;
  #nonce: string | undefined;

  constructor(options: AcmeClientOptions) {
    this.#options = options;
    this.#account = options.account;
  }

  get account(): string | undefined {
    return this.#account;
  }

  get thumbprint(): string {
    return this.#options.key.thumbprint;
  }

  async directory(): Promise<Directory> {
    if (this.#directory !== undefined) return this.#directory;
    const answer = await this.#send({ url: this.#options.directory, method: "GET" });
    const directory = this.#read(shapes.directory, answer, this.#options.directory);
    this.#directory = directory;
    return directory;
  }

  /** RFC 8555 §7.3: the account of this key, made where there is none; its URL. Its terms of service are agreed to. */
  async openAccount({ email, externalAccount }: NewAccount): Promise<string> {
    const { newAccount, meta } = await this.directory();
    if (meta?.externalAccountRequired === true && externalAccount === undefined) {
      throw new AcmeError("the authority wants an account of its own to be named: set external_account");
    }
    const payload = {
      termsOfServiceAgreed: true,
      contact: [`mailto:${email}`],
      ...(externalAccount && {
        externalAccountBinding: externalBinding(externalAccount, this.#options.key, newAccount),
      }),
    };
    const { headers } = await this.#post(newAccount, payload);
    const url = headers["location"];
    if (url === undefined) throw new AcmeError("the authority gave no URL of the account");
    this.#account = url;
    return url;
  }

  /** `replaces`: the certificate that this one is for, by its ARI identifier (RFC 9773 §5). */
  async newOrder(
    names: readonly string[],
    replaces: string | undefined,
  ): Promise<{ readonly url: string; readonly order: Order }> {
    const { newOrder, renewalInfo } = await this.directory();
    const identifiers = names.map((value) => ({ type: "dns", value }));
    const known = renewalInfo === undefined ? undefined : replaces;
    const answer = await this.#post(newOrder, { identifiers, ...(known !== undefined && { replaces: known }) });
    const url = answer.headers["location"];
    if (url === undefined) throw new AcmeError("the authority gave no URL of the order");
    return { url, order: this.#read(shapes.order, answer, newOrder) };
  }

  async order(url: string): Promise<Polled<Order>> {
    const answer = await this.#post(url, undefined);
    return { value: this.#read(shapes.order, answer, url), retryAfterMs: this.#retryAfter(answer) };
  }

  async authorization(url: string): Promise<Polled<Authorization>> {
    const answer = await this.#post(url, undefined);
    return { value: this.#read(shapes.authorization, answer, url), retryAfterMs: this.#retryAfter(answer) };
  }

  /** The proof can be looked at (RFC 8555 §7.5.1). */
  async ready(challenge: Challenge): Promise<void> {
    await this.#post(challenge.url, {});
  }

  async finalize(order: Order, keyPem: string, names: readonly string[]): Promise<Order> {
    const csr = certificateRequest(keyPem, names).toString("base64url");
    return this.#read(shapes.order, await this.#post(order.finalize, { csr }), order.finalize);
  }

  /** PEM, the own certificate first. */
  async certificate(url: string): Promise<string> {
    const { body } = await this.#post(url, undefined, certificateBytesMax);
    return Buffer.from(body).toString("latin1");
  }

  /** RFC 9773 §4.1; undefined: the authority does not say. */
  async renewalInfo(identifier: string): Promise<Polled<RenewalInfo> | undefined> {
    const { renewalInfo } = await this.directory();
    if (renewalInfo === undefined) return undefined;
    const url = `${renewalInfo.replace(/\/$/, "")}/${identifier}`;
    const answer = await this.#send({ url, method: "GET" });
    return { value: this.#read(shapes.renewalInfo, answer, url), retryAfterMs: this.#retryAfter(answer) };
  }

  /** Signed; `payload` absent: POST-as-GET. A refused nonce is replaced, and the request sent again (RFC 8555 §6.5). */
  async #post(url: string, payload: object | undefined, bytesMax = answerBytesMax): Promise<HttpAnswer> {
    const { key } = this.#options;
    for (let tries = 1; ; tries++) {
      const nonce = await this.#takeNonce();
      const body = signedRequest(key, { url, nonce, account: this.#account }, payload);
      const headers = { "content-type": "application/jose+json" };
      try {
        return await this.#send({ url, method: "POST", body, headers, bytesMax });
      } catch (error) {
        if (!(error instanceof AcmeError) || error.code !== "badNonce" || tries >= nonceTriesMax) throw error;
      }
    }
  }

  async #takeNonce(): Promise<string> {
    const kept = this.#nonce;
    this.#nonce = undefined;
    if (kept !== undefined) return kept;
    const { newNonce } = await this.directory();
    await this.#send({ url: newNonce, method: "HEAD" });
    const fresh: string | undefined = this.#nonce;
    this.#nonce = undefined;
    if (fresh === undefined) throw new AcmeError("the authority gave no nonce");
    return fresh;
  }

  async #send({
    bytesMax = answerBytesMax,
    ...request
  }: {
    readonly url: string;
    readonly method: "GET" | "HEAD" | "POST";
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly bytesMax?: number;
  }): Promise<HttpAnswer> {
    const { http, signal } = this.#options;
    let answer: HttpAnswer;
    try {
      answer = await http.request({ ...request, bytesMax, ...(signal && { signal }) });
    } catch (cause) {
      throw new AcmeError(`the authority could not be asked: ${(cause as Error).message}`, { cause });
    }
    const nonce = answer.headers["replay-nonce"];
    if (nonce !== undefined && /^[\w-]{1,512}$/.test(nonce)) this.#nonce = nonce;
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw this.#errorOf(answer);
  }

  #errorOf(answer: HttpAnswer): AcmeError {
    const problem: Problem | undefined = readAnswer(shapes.problem, answer.body);
    const retryAfterMs = this.#retryAfter(answer);
    if (problem === undefined) return new AcmeError(`the authority answered ${answer.status}`, { retryAfterMs });
    const code = problem.type.slice(problem.type.lastIndexOf(":") + 1);
    return new AcmeError(problemWords(problem), { code, retryAfterMs });
  }

  #read<Shape extends Parameters<typeof readAnswer>[0]>(shape: Shape, { body }: HttpAnswer, url: string) {
    const value = readAnswer(shape, body);
    if (value === undefined) throw new AcmeError(`the authority's answer at ${url} cannot be understood`);
    return value as NonNullable<typeof value>;
  }

  /** In seconds, or as a date. */
  #retryAfter({ headers }: HttpAnswer): number | undefined {
    const text = headers["retry-after"];
    if (text === undefined) return undefined;
    const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - this.#options.clock.now();
    return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), retryAfterMaxMs) : undefined;
  }
}
