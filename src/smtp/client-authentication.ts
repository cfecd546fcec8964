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
  /** The line that answers the next challenge; "*" cancels, because the mechanism has nothing more to say. */
  respond(): string;
}

/** An initial response that makes the command longer than this is sent only when asked for (RFC 4954 §4). */
const COMMAND_OCTETS_MAX = 512;

/** undefined: the peer offers none of the mechanisms that we have. */
export function beginLogin(credentials: ClientCredentials, offered: readonly string[]): ClientLogin | undefined {
  if (offered.includes("PLAIN")) {
    const response = base64(`\0${credentials.username}\0${credentials.password}`);
    const command = `AUTH PLAIN ${response}\r\n`;
    return command.length <= COMMAND_OCTETS_MAX
      ? login("PLAIN", command, [])
      : login("PLAIN", "AUTH PLAIN\r\n", [response]);
  }
  if (offered.includes("LOGIN")) {
    return login("LOGIN", "AUTH LOGIN\r\n", [base64(credentials.username), base64(credentials.password)]);
  }
  return undefined;
}

function login(mechanism: ClientLogin["mechanism"], command: string, responses: string[]): ClientLogin {
  return { mechanism, command, respond: () => `${responses.shift() ?? "*"}\r\n` };
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
