/**
 * OAUTHBEARER (RFC 7628) and XOAUTH2, which Google made and others copied: one message with a bearer token. Whoever
 * checks tokens decides; a refused client gets the error document in one more challenge, and answers it with nothing that
 * counts (RFC 7628 §3.2.3). The two grammars, read and written.
 */
import { decodeName, encodeName } from "./scram-messages.ts";
import type { MechanismKind, MechanismStep, ServerMechanism, TokenHelp } from "./server-mechanism.ts";
import { decodeUtf8 } from "./utf8.ts";

interface BearerMessage {
  readonly authorizationId: string;
  /** "": none, the client asks for the error document (RFC 7628 §4.3). */
  readonly token: string;
}

/** Tokens of large directories have 2 to 4 KB; the protocol core takes lines of 12,288 octets (RFC 4954 §4). */
const messageBytesMax = 9216;
const separator = "\u0001";
const empty = new Uint8Array(0);
const encoder = new TextEncoder();
/** RFC 6750 §2.1, b64token; the scheme without case (RFC 7235 §2.1). */
const bearer = /^bearer ([A-Za-z0-9._~+/-]+=*)$/i;

/** What the two mechanisms do not have in common. */
interface Dialect {
  readonly parse: (text: string) => BearerMessage | undefined;
  /** The error document, before it is JSON. */
  readonly refusal: (help: TokenHelp) => Readonly<Record<string, string | undefined>>;
}

/** RFC 7628 §3.2.2; the status is one of RFC 6750 §3.1. */
export const oauthBearer: MechanismKind = kind("OAUTHBEARER", {
  parse: parseOAuthBearer,
  refusal: ({ scope, configuration }) => ({
    status: "invalid_token",
    schemes: "bearer",
    scope,
    "openid-configuration": configuration,
  }),
});

/** Google's document has the status of HTTP; clients look for "401" and fetch a new token. */
export const xoauth2: MechanismKind = kind("XOAUTH2", {
  parse: parseXOAuth2,
  refusal: ({ scope }) => ({ status: "401", schemes: "bearer", scope }),
});

function kind(name: string, dialect: Dialect): MechanismKind {
  return {
    name,
    acceptsInitialResponse: true,
    isPossible: ({ privateChannel, tokens }) => privateChannel && tokens,
    begin: ({ tokenHelp = {} }) => new BearerExchange(dialect, tokenHelp),
  };
}

class BearerExchange implements ServerMechanism {
  readonly #dialect: Dialect;
  readonly #help: TokenHelp;
  #claimed = false;

  constructor(dialect: Dialect, help: TokenHelp) {
    this.#dialect = dialect;
    this.#help = help;
  }

  respond(response: Uint8Array | undefined): MechanismStep {
    // RFC 7628 §3.2.3 has the client send ^A, XOAUTH2 nothing; neither tells anything.
    if (this.#claimed) return { kind: "concluded" };
    if (response === undefined) return { kind: "challenge", data: empty };
    const text = response.length > messageBytesMax ? undefined : decodeUtf8(response);
    const message = text === undefined ? undefined : this.#dialect.parse(text);
    if (message === undefined) return { kind: "malformed", reason: "no message with a bearer token" };
    this.#claimed = true;
    const ifRefused = encoder.encode(JSON.stringify(this.#dialect.refusal(this.#help)));
    return { kind: "claim", claim: { kind: "token", ...message }, ifRefused };
  }
}

/** RFC 7628 §3.1: gs2-header, then key=value pairs, each ended by ^A, and one ^A more. Unknown keys are passed over. */
export function parseOAuthBearer(text: string): BearerMessage | undefined {
  const [gs2, ...rest] = text.split(separator);
  const header = /^[ny],(?:a=([^,]+))?,$/.exec(gs2 ?? "");
  if (header === null || rest.length < 2 || rest.at(-1) !== "" || rest.at(-2) !== "") return undefined;
  const authorizationId = header[1] === undefined ? "" : decodeName(header[1]);
  const pairs = rest.slice(0, -2).map((pair) => /^([A-Za-z]+)=(.*)$/s.exec(pair));
  if (authorizationId === undefined || pairs.includes(null)) return undefined;
  const values = pairs.filter((pair) => pair?.[1] === "auth").map((pair) => pair?.[2] ?? "");
  const [value] = values;
  if (values.length > 1) return undefined;
  return bearerMessage(authorizationId, value ?? "");
}

/** `user=…^Aauth=Bearer …^A^A`. */
export function parseXOAuth2(text: string): BearerMessage | undefined {
  const [user = "", value = "", ...end] = text.split(separator);
  if (!user.startsWith("user=") || !value.startsWith("auth=")) return undefined;
  if (end.length !== 2 || end.some((part) => part !== "")) return undefined;
  const message = bearerMessage(user.slice("user=".length), value.slice("auth=".length));
  return message?.token === "" || message?.authorizationId === "" ? undefined : message;
}

export function formatOAuthBearer(authorizationId: string, token: string): Uint8Array {
  const name = authorizationId === "" ? "" : `a=${encodeName(authorizationId)}`;
  return encoder.encode(`n,${name},${separator}auth=Bearer ${token}${separator}${separator}`);
}

export function formatXOAuth2(username: string, token: string): Uint8Array {
  return encoder.encode(`user=${username}${separator}auth=Bearer ${token}${separator}${separator}`);
}

function bearerMessage(authorizationId: string, value: string): BearerMessage | undefined {
  if (authorizationId.includes("\0")) return undefined;
  if (value === "") return { authorizationId, token: "" };
  const token = bearer.exec(value)?.[1];
  return token === undefined ? undefined : { authorizationId, token };
}
