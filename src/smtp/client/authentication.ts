/**
 * The client's side of AUTH PLAIN (RFC 4616) and AUTH LOGIN (RFC 4954). Whether credentials may be sent over this
 * connection at all is decided by the caller, before.
 */
export interface ClientCredentials {
  readonly username: string;
  readonly password: string;
}

/** One login: the command first, then an answer to each 334. */
export interface ClientLogin {
  readonly mechanism: "PLAIN" | "LOGIN";
  readonly command: string;
  /** All of the credentials have been handed out; only then can the server accept them. */
  readonly complete: boolean;
  /**
   * The line that answers the next challenge; "*" cancels, once, when the mechanism has nothing more to say. undefined
   * after that: no answer is left.
   */
  respond(): string | undefined;
}

/** An initial response that makes the command longer than this is sent only when asked for (RFC 4954 §4). */
const commandOctetsMax = 512;

/** undefined: the peer offers none of the mechanisms that we have. */
export function beginLogin(credentials: ClientCredentials, offered: readonly string[]): ClientLogin | undefined {
  if (offered.includes("PLAIN")) {
    const response = base64(`\0${credentials.username}\0${credentials.password}`);
    const command = `AUTH PLAIN ${response}\r\n`;
    return command.length <= commandOctetsMax
      ? login("PLAIN", command, [])
      : login("PLAIN", "AUTH PLAIN\r\n", [response]);
  }
  if (offered.includes("LOGIN")) {
    return login("LOGIN", "AUTH LOGIN\r\n", [base64(credentials.username), base64(credentials.password)]);
  }
  return undefined;
}

function login(mechanism: ClientLogin["mechanism"], command: string, responses: readonly string[]): ClientLogin {
  const turns = [...responses, "*"];
  let taken = 0;
  return {
    mechanism,
    command,
    get complete() {
      return taken === responses.length;
    },
    respond() {
      const turn = turns[taken];
      if (turn === undefined) return undefined;
      taken++;
      return `${turn}\r\n`;
    },
  };
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
