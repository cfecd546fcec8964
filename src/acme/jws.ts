/**
 * Signed requests of ACME (RFC 8555 §6.2): JSON Web Signatures in their flattened form, made with ECDSA P-256, which every ACME
 * server has to take, and with HMAC where an account is bound to another one (§7.3.4).
 */
import { createHash, createHmac, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/** The public half of a P-256 key (RFC 7518 §6.2.1). */
interface PublicJwk {
  readonly crv: string;
  readonly kty: string;
  readonly x: string;
  readonly y: string;
}

/** The key that an account is known by. */
export interface AccountKey {
  readonly privateKey: KeyObject;
  readonly jwk: PublicJwk;
  /** RFC 7638, in base64url. */
  readonly thumbprint: string;
}

export interface ExternalAccount {
  readonly kid: string;
  /** In base64url, as authorities hand it out. */
  readonly hmacKey: string;
}

/** A new P-256 key as PKCS#8 PEM: for accounts, and for certificates. */
export function newEcKeyPem(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** Throws for anything but a P-256 key. */
export function accountKeyOf(pem: string): AccountKey {
  const privateKey = createPrivateKey(pem);
  const { crv, kty, x, y } = privateKey.export({ format: "jwk" });
  if (crv !== "P-256" || kty !== "EC" || x === undefined || y === undefined) throw new Error("not a P-256 key");
  const jwk = { crv, kty, x, y };
  // RFC 7638 §3.2: these members only, in this order, without spaces, which is how they stand above.
  const thumbprint = createHash("sha256").update(JSON.stringify(jwk)).digest("base64url");
  return { privateKey, jwk, thumbprint };
}

/**
 * The body of a POST.
 *
 * @param account its URL; absent: the request carries the public key itself, as only the creation of an account does
 * @param payload absent: POST-as-GET (RFC 8555 §6.3)
 */
export function signedRequest(
  { privateKey, jwk }: AccountKey,
  { url, nonce, account }: { readonly url: string; readonly nonce: string; readonly account?: string | undefined },
  payload: object | undefined,
): string {
  const header = { alg: "ES256", nonce, url, ...(account === undefined ? { jwk } : { kid: account }) };
  const text = payload === undefined ? "" : JSON.stringify(payload);
  return JSON.stringify(
    flattened(header, text, (data) => sign("sha256", data, { key: privateKey, dsaEncoding: "ieee-p1363" })),
  );
}

/** `externalAccountBinding` of a new account (RFC 8555 §7.3.4): our public key, signed with the key of the other account. */
export function externalBinding({ kid, hmacKey }: ExternalAccount, { jwk }: AccountKey, url: string): object {
  const key = Buffer.from(hmacKey, "base64url");
  return flattened({ alg: "HS256", kid, url }, JSON.stringify(jwk), (data) =>
    createHmac("sha256", key).update(data).digest(),
  );
}

function flattened(header: object, payload: string, signed: (data: Buffer) => Buffer) {
  const encoded = { protected: base64url(JSON.stringify(header)), payload: base64url(payload) };
  const signature = signed(Buffer.from(`${encoded.protected}.${encoded.payload}`)).toString("base64url");
  return { ...encoded, signature };
}

function base64url(text: string): string {
  return Buffer.from(text).toString("base64url");
}
