/**
 * EXTERNAL (RFC 4422, appendix A): the client is who its TLS certificate or key says. The one message is the identity to
 * act as, or nothing: then the certificate alone decides.
 */
import type { MechanismKind, MechanismStep } from "./server-mechanism.ts";
import { decodeUtf8 } from "./utf8.ts";

/** As in PLAIN, since both lead to the same accounts. */
const nameBytesMax = 255;
const empty = new Uint8Array(0);

export const external: MechanismKind = {
  name: "EXTERNAL",
  acceptsInitialResponse: true,
  isPossible: ({ privateChannel, certificate }) => privateChannel && certificate,
  begin: () => ({
    respond: (response) => (response === undefined ? { kind: "challenge", data: empty } : parseExternal(response)),
  }),
};

function parseExternal(message: Uint8Array): MechanismStep {
  const authorizationId = message.length > nameBytesMax || message.includes(0) ? undefined : decodeUtf8(message);
  if (authorizationId === undefined) return { kind: "malformed", reason: "too long, NUL, or not UTF-8" };
  return { kind: "claim", claim: { kind: "certificate", authorizationId } };
}
