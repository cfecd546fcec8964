/**
 * LOGIN (draft-murchison-sasl-login): obsolete, undocumented by any RFC, and what many programs still send. Two
 * prompts; the name may come as an initial response, because several clients do that.
 */
import { decodeUtf8 } from "./utf8.ts";
import type { ExchangeOptions, MechanismKind, MechanismStep, ServerMechanism } from "./server-mechanism.ts";

const encoder = new TextEncoder();
const usernamePrompt = encoder.encode("Username:");
const passwordPrompt = encoder.encode("Password:");
/** The same bound as in PLAIN, since both lead to the same accounts. */
const partBytesMax = 255;

export const login: MechanismKind = {
  name: "LOGIN",
  acceptsInitialResponse: true,
  isPossible: ({ privateChannel }) => privateChannel,
  begin: (options) => new LoginExchange(options),
};

class LoginExchange implements ServerMechanism {
  #username: string | undefined;
  readonly #takesEmpty: boolean;

  constructor({ takesEmpty = false }: Pick<ExchangeOptions, "takesEmpty">) {
    this.#takesEmpty = takesEmpty;
  }

  respond(response: Uint8Array | undefined): MechanismStep {
    if (response === undefined) return { kind: "challenge", data: usernamePrompt };
    const text = response.length > partBytesMax || response.includes(0) ? undefined : decodeUtf8(response);
    if (text === undefined || (text === "" && !this.#takesEmpty)) {
      return { kind: "malformed", reason: "empty, too long, NUL, or not UTF-8" };
    }
    if (this.#username === undefined) {
      this.#username = text;
      return { kind: "challenge", data: passwordPrompt };
    }
    return {
      kind: "claim",
      claim: { kind: "password", authorizationId: "", username: this.#username, password: text },
    };
  }
}
