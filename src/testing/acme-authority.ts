/**
 * An ACME server for tests, reached without a network: it checks signatures, nonces and proofs as the standard says, issues
 * certificates of a test authority, and makes trouble when told.
 */
import { createHash, createHmac, createPublicKey, type KeyObject, verify } from "node:crypto";
import { readElement, readElements } from "../lib/der-certificate.ts";
import type { Clock } from "../ports/clock.ts";
import type { HttpAnswer, HttpClient, HttpRequest } from "../ports/http-client.ts";
import { CertificateAuthority } from "./certificate-authority.ts";

const dayMs = 86_400_000;
const base = "https://ca.test";

type Answer = { readonly status: number; readonly json?: unknown; readonly text?: string; readonly headers?: object };

interface JsonWebKey {
  readonly crv: string;
  readonly kty: string;
  readonly x: string;
  readonly y: string;
}

interface Order {
  readonly names: readonly string[];
  readonly tokens: readonly string[];
  readonly replaces: string | undefined;
  readonly proven: Set<string>;
  problem: object | undefined;
  certificate: string | undefined;
  /** How often it is said to be processing before it is valid. */
  pending: number;
}

export interface AcmeAuthorityOptions {
  readonly clock: Clock;
  /** Whether the proof for a name is there, by the kind of challenge that it comes for: undefined, or the CA's words. */
  readonly look: (proof: {
    type: string;
    name: string;
    token: string;
    thumbprint: string;
  }) => Promise<string | undefined>;
  readonly externalAccounts?: Readonly<Record<string, string>>;
  readonly lifetimeDays?: number;
}

export class AcmeAuthority implements HttpClient {
  readonly directory = `${base}/directory`;
  readonly ca: CertificateAuthority;
  /** What was asked, `POST /new-order`. */
  readonly requests: string[] = [];
  /** Of the next requests, as many have a nonce that is refused. */
  badNonces = 0;
  /** Answered to the next new order in its place. */
  refuseOrder: Answer | undefined;
  /** RFC 9773; absent: the authority has no ARI. */
  renewalWindow: { readonly start: number; readonly end: number } | undefined;
  /** Of orders to come, after they were finalized. */
  processing = 0;
  readonly #options: AcmeAuthorityOptions;
  readonly #nonces = new Set<string>();
  readonly #accounts = new Map<string, { readonly key: KeyObject; readonly jwk: JsonWebKey }>();
  readonly orders: Order[] = [];
  #count = 0;

  constructor(options: AcmeAuthorityOptions) {
    this.#options = options;
    this.ca = new CertificateAuthority(options.clock.now());
  }

  get accounts(): number {
    return this.#accounts.size;
  }

  forgetAccounts(): void {
    this.#accounts.clear();
  }

  async request({ url, method, body }: HttpRequest): Promise<HttpAnswer> {
    const path = url.slice(base.length);
    this.requests.push(`${method} ${path}`);
    const answer = method === "POST" ? await this.#post(path, url, body ?? "") : this.#get(path);
    const nonce = `nonce-${++this.#count}`;
    this.#nonces.add(nonce);
    return {
      status: answer.status,
      headers: { "replay-nonce": nonce, ...answer.headers },
      body: Buffer.from(answer.text ?? JSON.stringify(answer.json ?? {})),
    };
  }

  #get(path: string): Answer {
    if (path === "/new-nonce") return { status: 200 };
    const window = this.renewalWindow;
    if (path === "/directory") {
      const [newNonce, newAccount, newOrder] = [`${base}/new-nonce`, `${base}/new-account`, `${base}/new-order`];
      const meta = { externalAccountRequired: this.#options.externalAccounts !== undefined };
      const ari = window && { renewalInfo: `${base}/ari` };
      return { status: 200, json: { newNonce, newAccount, newOrder, ...ari, meta } };
    }
    if (!path.startsWith("/ari/") || window === undefined) return problem(404, "malformed", "nothing is here");
    const [start, end] = [new Date(window.start).toISOString(), new Date(window.end).toISOString()];
    return { status: 200, json: { suggestedWindow: { start, end } }, headers: { "retry-after": "21600" } };
  }

  async #post(path: string, url: string, body: string): Promise<Answer> {
    const jws = JSON.parse(body) as { protected: string; payload: string; signature: string };
    const header = decoded(jws.protected) as {
      nonce: string;
      url: string;
      kid?: string;
      jwk?: JsonWebKey;
      alg: string;
    };
    if (!this.#nonces.delete(header.nonce) || this.badNonces > 0) {
      this.badNonces--;
      return problem(400, "badNonce", "the nonce is not good");
    }
    const account = header.kid === undefined ? undefined : this.#accounts.get(header.kid);
    const jwk = account?.jwk ?? header.jwk;
    if (jwk === undefined) return problem(400, "accountDoesNotExist", "no such account");
    const key = createPublicKey({ key: { ...jwk }, format: "jwk" });
    const signed = Buffer.from(`${jws.protected}.${jws.payload}`);
    const right = verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, Buffer.from(jws.signature, "base64url"));
    if (!right || header.url !== url || header.alg !== "ES256") return problem(400, "malformed", "wrongly signed");
    const payload = jws.payload === "" ? undefined : (decoded(jws.payload) as Record<string, unknown>);
    if (path === "/new-account") return this.#newAccount(key, jwk, payload ?? {});
    if (path === "/new-order")
      return this.#newOrder(payload as { identifiers: { value: string }[]; replaces?: string });
    return await this.#onOrder(path, payload, jwk);
  }

  #newAccount(key: KeyObject, jwk: JsonWebKey, payload: Record<string, unknown>): Answer {
    const { externalAccounts } = this.#options;
    if (payload["termsOfServiceAgreed"] !== true) return problem(403, "userActionRequired", "agree first");
    if (externalAccounts !== undefined) {
      const binding = payload["externalAccountBinding"] as { protected: string; payload: string; signature: string };
      const { kid } = decoded(binding.protected) as { kid: string };
      const mac = createHmac("sha256", Buffer.from(externalAccounts[kid] ?? "", "base64url"));
      const wanted = mac.update(`${binding.protected}.${binding.payload}`).digest("base64url");
      const bound = decoded(binding.payload) as JsonWebKey;
      if (wanted !== binding.signature || bound.x !== jwk.x) return problem(403, "unauthorized", "wrong binding");
    }
    const known = [...this.#accounts].find(([, account]) => account.jwk.x === jwk.x)?.[0];
    const location = known ?? `${base}/account/${this.#accounts.size + 1}`;
    this.#accounts.set(location, { key, jwk });
    return { status: known === undefined ? 201 : 200, json: { status: "valid" }, headers: { location } };
  }

  #newOrder({ identifiers, replaces }: { identifiers: { value: string }[]; replaces?: string }): Answer {
    const refusal = this.refuseOrder;
    if (refusal !== undefined) return refusal;
    const id = this.orders.length;
    const names = identifiers.map(({ value }) => value);
    const tokens = names.map((_, index) => `token-${id}-${index}`);
    const order = { names, tokens, replaces, proven: new Set<string>(), problem: undefined, certificate: undefined };
    this.orders.push({ ...order, pending: this.processing });
    return { status: 201, json: this.#shown(id), headers: { location: `${base}/order/${id}` } };
  }

  async #onOrder(path: string, payload: Record<string, unknown> | undefined, jwk: JsonWebKey): Promise<Answer> {
    const [, what, first = "", second = ""] = path.split("/");
    const id = Number(first);
    const order = this.orders[id];
    if (order === undefined) return problem(404, "malformed", "no such order");
    const index = Number(second);
    const name = order.names[index] ?? "";
    if (what === "authorization") return { status: 200, json: this.#authorization(id, index) };
    if (what === "challenge") {
      const type = second.slice(second.indexOf("-") + 1);
      const at = Number(second.slice(0, second.indexOf("-")));
      await this.#prove(order, { type, name: order.names[at] ?? "", token: order.tokens[at] ?? "" }, jwk);
      return { status: 200, json: { type, url: `${base}${path}`, status: "processing", token: name } };
    }
    if (what === "certificate") return { status: 200, text: order.certificate ?? "" };
    if (what === "finalize") {
      order.certificate = this.#issue(order, Buffer.from(String(payload?.["csr"]), "base64url"));
    } else if (order.certificate !== undefined && order.pending > 0) order.pending--;
    return { status: 200, json: this.#shown(id), headers: { "retry-after": "3" } };
  }

  async #prove(order: Order, proof: { type: string; name: string; token: string }, { crv, kty, x, y }: JsonWebKey) {
    const thumbprint = createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
    const words = await this.#options.look({ ...proof, thumbprint });
    if (words === undefined) order.proven.add(proof.name);
    else order.problem = { type: "urn:ietf:params:acme:error:unauthorized", detail: words };
  }

  #issue({ names }: Order, csr: Buffer): string {
    const [info] = readElements(readElement(csr, 0)?.content ?? csr, 8) ?? [];
    const [, , key] = readElements(info?.content ?? csr, 8) ?? [];
    const spki = Buffer.from(key?.whole ?? csr);
    const now = this.#options.clock.now();
    const validTo = now + (this.#options.lifetimeDays ?? 90) * dayMs;
    const own = this.ca.issue(createPublicKey({ key: spki, format: "der", type: "spki" }), {
      names,
      validFrom: now,
      validTo,
    });
    return own + this.ca.intermediatePem;
  }

  #authorization(id: number, index: number) {
    const order = this.orders[id];
    const name = order?.names[index] ?? "";
    const failed = order?.problem !== undefined;
    const status = order?.proven.has(name) ? "valid" : failed ? "invalid" : "pending";
    const challenges = ["http-01", "tls-alpn-01", "dns-01"].map((type) => ({
      type,
      url: `${base}/challenge/${id}/${index}-${type}`,
      token: order?.tokens[index],
      status: status === "pending" ? "pending" : status,
      ...(failed && { error: order.problem }),
    }));
    return { status, identifier: { type: "dns", value: name.replace(/^\*\./, "") }, challenges };
  }

  #shown(id: number) {
    const order = this.orders[id];
    const all = order?.names.every((name) => order.proven.has(name)) ?? false;
    const certificate = order?.certificate !== undefined && order.pending === 0;
    const status = certificate ? "valid" : order?.certificate !== undefined ? "processing" : all ? "ready" : "pending";
    return {
      status: order?.problem === undefined ? status : "invalid",
      authorizations: order?.names.map((_, index) => `${base}/authorization/${id}/${index}`) ?? [],
      finalize: `${base}/finalize/${id}`,
      ...(certificate && { certificate: `${base}/certificate/${id}` }),
    };
  }
}

export function problem(status: number, type: string, detail: string, headers: object = {}): Answer {
  return { status, json: { type: `urn:ietf:params:acme:error:${type}`, detail }, headers };
}

function decoded(text: string): unknown {
  return JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
}
