/**
 * An OAuth issuer in this process: signs real tokens, publishes its keys and rolls them, answers introspection. It is an
 * `ServiceClient` that reaches nobody else, so that what is asked of it can be counted and made to fail. For tests only.
 */
import { exportJWK, generateKeyPair, type JWTHeaderParameters, type JWTPayload, SignJWT } from "jose";
import type { ServiceClient, ServiceOptions, ServiceRequest, ServiceResponse } from "../ports/service-client.ts";
import type { Clock } from "../ports/clock.ts";

interface SigningKey {
  readonly id: string;
  readonly algorithm: string;
  readonly privateKey: Awaited<ReturnType<typeof generateKeyPair>>["privateKey"];
  readonly published: Readonly<Record<string, unknown>>;
}

export type TestAnswer = { readonly status: number; readonly value: unknown };

export const issuerUrl = "https://login.example.net/realms/mail";

export class TestIssuer implements ServiceClient {
  readonly url: string;
  /** `GET /realms/mail/keys`, in the order asked. */
  readonly asked: string[] = [];
  /** Bodies of the POST requests. */
  readonly forms: Readonly<Record<string, string>>[] = [];
  readonly authorizations: (string | undefined)[] = [];
  /** Not reachable: what is asked fails with these words. */
  down: string | undefined;
  /** What an endpoint answers in place of what it should: by its path below the issuer. */
  readonly answers = new Map<string, TestAnswer | ((form: Readonly<Record<string, string>>) => TestAnswer)>();
  /** Waited for before each answer. */
  gate: Promise<void> | undefined;
  readonly #clock: Clock;
  #keys: readonly SigningKey[] = [];
  #made = 0;

  private constructor(clock: Clock, url: string) {
    this.#clock = clock;
    this.url = url;
  }

  static async open(
    clock: Clock,
    { url = issuerUrl, algorithm = "ES256" }: { readonly url?: string; readonly algorithm?: string } = {},
  ): Promise<TestIssuer> {
    const issuer = new TestIssuer(clock, url);
    await issuer.addKey(algorithm);
    return issuer;
  }

  /** Signs with a new key from now on. */
  async addKey(algorithm = "ES256"): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const id = `key-${++this.#made}`;
    const published = { ...(await exportJWK(publicKey)), kid: id, alg: algorithm, use: "sig" };
    this.#keys = [{ id, algorithm, privateKey, published }, ...this.#keys];
  }

  /** Publishes the newest key only. */
  withdrawOldKeys(): void {
    this.#keys = this.#keys.slice(0, 1);
  }

  get publishedKeys(): readonly Readonly<Record<string, unknown>>[] {
    return this.#keys.map(({ published }) => published);
  }

  /** An access token for ann, good for an hour, but for what is said otherwise. */
  async token(
    claims: JWTPayload = {},
    header: { readonly alg?: string; readonly kid?: string | undefined } = {},
  ): Promise<string> {
    const [key] = this.#keys;
    if (key === undefined) throw new Error("the issuer has no key");
    const now = Math.floor(this.#clock.now() / 1000);
    const usual = { iss: this.url, aud: "mail", email: "ann@example.org", scope: "smtp", iat: now, exp: now + 3600 };
    return await new SignJWT({ ...usual, ...claims })
      .setProtectedHeader({ alg: key.algorithm, kid: key.id, typ: "at+jwt", ...header } as JWTHeaderParameters)
      .sign(key.privateKey);
  }

  async request(request: ServiceRequest, options: ServiceOptions): Promise<ServiceResponse> {
    await this.gate;
    const { url, form, authorization } = request;
    this.asked.push(`${form === undefined ? "GET" : "POST"} ${new URL(url).pathname}`);
    if (form !== undefined) {
      this.forms.push(form);
      this.authorizations.push(authorization);
    }
    if (this.down !== undefined) return { kind: "failure", detail: this.down };
    const { status, value } = this.#answer(url, form ?? {});
    const body = Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
    if (body.length > options.bytesMax) return { kind: "failure", detail: "it sends too much" };
    return { kind: "response", status, body };
  }

  #answer(url: string, form: Readonly<Record<string, string>>): TestAnswer {
    const path = url.startsWith(`${this.url}/`) ? url.slice(this.url.length + 1) : url;
    const given = this.answers.get(path);
    if (given !== undefined) return typeof given === "function" ? given(form) : given;
    switch (path) {
      case ".well-known/openid-configuration":
        return { status: 200, value: { issuer: this.url, jwks_uri: `${this.url}/keys` } };
      case "keys":
        return { status: 200, value: { keys: this.publishedKeys } };
      default:
        return { status: 404, value: "no such page" };
    }
  }
}
