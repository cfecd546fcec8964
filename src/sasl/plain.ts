/** PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd` in one message. */
import { decodeUtf8 } from "./utf8.ts";
import type { ExchangeOptions, MechanismKind, MechanismStep } from "./server-mechanism.ts";

/** RFC 4616 §2: each part has at most 255 octets. */
const partBytesMax = 255;
const empty = new Uint8Array(0);

export const plain: MechanismKind = {
  name: "PLAIN",
  acceptsInitialResponse: true,
  isPossible: ({ privateChannel }) => privateChannel,
  begin: (options) => ({
    respond: (response) =>
      response === undefined ? { kind: "challenge", data: empty } : parsePlain(response, options),
  }),
};

/** Parses the one message; also used by tests with the vectors. */
export function parsePlain(
  message: Uint8Array,
  { takesEmpty = false }: Pick<ExchangeOptions, "takesEmpty"> = {},
): MechanismStep {
  const first = message.indexOf(0);
  const second = first < 0 ? -1 : message.indexOf(0, first + 1);
  if (second < 0) return malformed("fewer than two NULs");
  if (message.indexOf(0, second + 1) >= 0) return malformed("more than two NULs");
  const parts = [message.subarray(0, first), message.subarray(first + 1, second), message.subarray(second + 1)];
  if (parts.some((part) => part.length > partBytesMax)) return malformed("a part is longer than 255 octets");
  const [authorizationId, username, password] = parts.map(decodeUtf8);
  if (authorizationId === undefined || username === undefined || password === undefined) {
    return malformed("not UTF-8");
  }
  if (!takesEmpty && (username === "" || password === "")) return malformed("empty name or password");
  return { kind: "claim", claim: { kind: "password", authorizationId, username, password } };
}

function malformed(reason: string): MechanismStep {
  return { kind: "malformed", reason };
}
