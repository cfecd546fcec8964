/**
 * The four messages of SCRAM (RFC 5802 §7), read and written. Strict: attributes in their order, names escaped as they
 * must be, unknown mandatory extensions refused, unknown optional ones passed over. Reading takes linear time.
 */
import { decodeBase64 } from "./strict-base64.ts";

/** RFC 4616 §2 bounds names at 255 octets, and the accounts are the same. */
const nameBytesMax = 255;
/** Usual ones have 18 to 64 characters. */
const nonceLengthMax = 512;

export interface Gs2Header {
  /** `n`: the client cannot bind; `y`: it can, and believes that the server cannot; `p`: it binds with `binding`. */
  readonly flag: "n" | "y" | "p";
  /** The name of the channel binding type; only with `p`. */
  readonly binding?: string;
  /** "": none. */
  readonly authorizationId: string;
}

export interface ClientFirst {
  readonly gs2: Gs2Header;
  /** As it was received, with both commas: it enters the channel binding. */
  readonly header: string;
  /** The rest, as it was received: it enters the signatures (RFC 5802 §5.1). */
  readonly bare: string;
  readonly username: string;
  readonly nonce: string;
}

export interface ServerFirst {
  readonly nonce: string;
  readonly salt: Uint8Array;
  readonly iterations: number;
}

export interface ClientFinal {
  readonly channelBinding: Uint8Array;
  readonly nonce: string;
  readonly proof: Uint8Array;
  /** As it was received, up to the proof. */
  readonly withoutProof: string;
}

/** `signature`, or the server's `error` value. */
export type ServerFinal = { readonly signature: Uint8Array } | { readonly error: string };

const gs2Grammar = /^(?:([ny])|p=([A-Za-z0-9.-]{1,64})),(?:a=([^,]+))?,/;
const bareGrammar = /^n=([^,]+),r=([^,]+)((?:,[A-Za-z]=[^,]+)*)$/;
const serverFirstGrammar = /^r=([^,]+),s=([^,]+),i=([1-9]\d{0,9})((?:,[A-Za-z]=[^,]+)*)$/;
const clientFinalGrammar = /^(c=([^,]*),r=([^,]+)(?:,[A-Za-z]=[^,]+)*),p=([^,]+)$/;
const serverFinalGrammar = /^(?:v=([^,]+)|e=([^,]+))(?:,[A-Za-z]=[^,]+)*$/;
/** RFC 5802 §7, printable: %x21-2B / %x2D-7E. */
const nonceGrammar = /^[\x21-\x2b\x2d-\x7e]+$/;

/** Undefined: it is no such message, or has a mandatory extension (`m=`). */
export function parseClientFirst(text: string): ClientFirst | undefined {
  const header = gs2Grammar.exec(text);
  if (header === null) return undefined;
  const [whole, flag, binding, authorizationName] = header;
  const bare = text.slice(whole.length);
  // A mandatory extension would stand first, where the grammar wants the name.
  const [, name, nonce] = bareGrammar.exec(bare) ?? [];
  const username = name === undefined ? undefined : decodeName(name);
  const authorizationId = authorizationName === undefined ? "" : decodeName(authorizationName);
  if (username === undefined || authorizationId === undefined || nonce === undefined) return undefined;
  if (!isNonce(nonce)) return undefined;
  const gs2: Gs2Header =
    binding === undefined
      ? { flag: flag === "y" ? "y" : "n", authorizationId }
      : { flag: "p", binding, authorizationId };
  return { gs2, header: whole, bare, username, nonce };
}

export function formatGs2Header({ flag, binding, authorizationId }: Gs2Header): string {
  const bound = flag === "p" ? `p=${binding ?? ""}` : flag;
  return `${bound},${authorizationId === "" ? "" : `a=${encodeName(authorizationId)}`},`;
}

export function formatClientFirstBare(username: string, nonce: string): string {
  return `n=${encodeName(username)},r=${nonce}`;
}

/** Undefined: it is no such message, or has a mandatory extension. */
export function parseServerFirst(text: string): ServerFirst | undefined {
  const [, nonce, salt64, count] = serverFirstGrammar.exec(text) ?? [];
  if (nonce === undefined || salt64 === undefined || count === undefined || !isNonce(nonce)) return undefined;
  const salt = decodeBase64(salt64);
  return salt === undefined ? undefined : { nonce, salt, iterations: Number(count) };
}

export function formatServerFirst({ nonce, salt, iterations }: ServerFirst): string {
  return `r=${nonce},s=${encodeBase64(salt)},i=${iterations}`;
}

/** Undefined: it is no such message. */
export function parseClientFinal(text: string): ClientFinal | undefined {
  const [, withoutProof, binding64, nonce, proof64] = clientFinalGrammar.exec(text) ?? [];
  if (withoutProof === undefined || binding64 === undefined || nonce === undefined || proof64 === undefined) {
    return undefined;
  }
  const channelBinding = decodeBase64(binding64);
  const proof = decodeBase64(proof64);
  if (channelBinding === undefined || proof === undefined) return undefined;
  return { channelBinding, nonce, proof, withoutProof };
}

export function formatClientFinalWithoutProof(channelBinding: Uint8Array, nonce: string): string {
  return `c=${encodeBase64(channelBinding)},r=${nonce}`;
}

export function formatClientFinal(withoutProof: string, proof: Uint8Array): string {
  return `${withoutProof},p=${encodeBase64(proof)}`;
}

/** Undefined: it is no such message. */
export function parseServerFinal(text: string): ServerFinal | undefined {
  const [, signature64, error] = serverFinalGrammar.exec(text) ?? [];
  if (error !== undefined) return { error };
  const signature = signature64 === undefined ? undefined : decodeBase64(signature64);
  return signature === undefined ? undefined : { signature };
}

export function formatServerFinal(signature: Uint8Array): string {
  return `v=${encodeBase64(signature)}`;
}

function isNonce(text: string): boolean {
  return text.length <= nonceLengthMax && nonceGrammar.test(text);
}

/** RFC 5802 §5.1: `=2C` and `=3D` only; any other `=` makes the message invalid. */
export function decodeName(text: string): string | undefined {
  if (/=(?!2C|3D)|\0/.test(text) || Buffer.byteLength(text) > nameBytesMax) return undefined;
  return text.replaceAll("=2C", ",").replaceAll("=3D", "=");
}

export function encodeName(text: string): string {
  return text.replaceAll("=", "=3D").replaceAll(",", "=2C");
}

function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
