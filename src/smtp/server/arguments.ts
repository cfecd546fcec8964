/** Arguments of the commands that lead to an event: each function gives the event, or the reply that refuses. */
import { asciiUpperCase, hasNonAscii } from "../../lib/ascii-case.ts";
import { printable } from "../../lib/printable-text.ts";
import type { AddressFailure } from "../../address/mailbox-grammar.ts";
import { parseForwardPath, parseReversePath } from "../../address/path.ts";
import { pathTextOf } from "../command-parser.ts";
import type { MailParameters } from "../envelope.ts";
import { badParameter, unknownParameter } from "../esmtp-parameters.ts";
import { parseMailParameters } from "../mail-parameters.ts";
import { parseRecipientParameters } from "../recipient-parameters.ts";
import { reply, type Reply } from "../reply.ts";
import type { AuthEvent, HelloEvent, MailEvent, RecipientEvent, VerifyEvent } from "./event.ts";
import type { ServerProtocolSettings } from "./protocol-settings.ts";
import { serverReplies } from "./replies.ts";

export type AddressSettings = Pick<ServerProtocolSettings, "hostname" | "completesAddresses" | "messageBytesMax">;

/** Characters of a name in HELO that are kept: those of a domain (RFC 5321 §4.5.3.1.2). */
const helloNameMax = 255;

/**
 * Whatever is given is let through, also where it is no domain: much real mail comes from machines that do not know theirs,
 * and none is refused for it (RFC 5321 §4.1.4).
 */
export function parseHello(verb: HelloEvent["verb"], given: string): HelloEvent | Reply {
  if (given === "") return serverReplies.helloSyntax;
  const name = printable(given.slice(0, helloNameMax).toWellFormed(), "?");
  return { kind: "hello", verb, name };
}

/** `tls`: the session is under TLS, or could be; REQUIRETLS is on offer only where it is (RFC 8689 §2). */
export function parseMail(
  argument: string,
  settings: AddressSettings,
  tls: "active" | "available" | "none",
): MailEvent | Reply {
  const text = pathTextOf(argument, "FROM:");
  if (text === undefined) return serverReplies.mailSyntax;
  // A parameter after the path says whether UTF-8 is allowed.
  const path = parseReversePath(text, { smtpUtf8: true, ...completionOf(settings) });
  if (path.kind === "failure") return reply(501, "5.1.7", path.text);
  const parameters = parseMailParameters(text.slice(path.end));
  if (isReply(parameters)) return parameters;
  if (parameters.requireTls === true && tls !== "active") {
    return tls === "available" ? serverReplies.tlsFirst : unknownParameter("REQUIRETLS");
  }
  if (parameters.smtpUtf8 !== true && hasNonAscii(text)) return reply(550, "5.6.7", needsSmtpUtf8);
  const { messageBytesMax } = settings;
  // RFC 1870 §6.1: refused before it is sent.
  if (messageBytesMax > 0 && (parameters.size ?? 0) > messageBytesMax) return serverReplies.tooLarge;
  return { kind: "mail", reversePath: path.path, parameters };
}

/** `transaction` are the parameters of MAIL. */
export function parseRecipient(
  argument: string,
  transaction: MailParameters,
  settings: AddressSettings,
): RecipientEvent | Reply {
  const text = pathTextOf(argument, "TO:");
  if (text === undefined) return serverReplies.recipientSyntax;
  const smtpUtf8 = transaction.smtpUtf8 === true;
  const path = parseForwardPath(text, { smtpUtf8, ...completionOf(settings) });
  if (path.kind === "failure") return refusalOf(path);
  const parameters = parseRecipientParameters(text.slice(path.end), { smtpUtf8 });
  if (isReply(parameters)) return parameters;
  return { kind: "recipient", forwardPath: path.path, parameters };
}

function completionOf({ completesAddresses, hostname }: AddressSettings): { readonly completeWith?: string } {
  return completesAddresses ? { completeWith: hostname } : {};
}

export function parseVerify(kind: VerifyEvent["kind"], argument: string): VerifyEvent | Reply {
  const space = argument.lastIndexOf(" ");
  const parameter = space === -1 ? "" : asciiUpperCase(argument.slice(space + 1));
  if (parameter.startsWith("SMTPUTF8=")) return badParameter("SMTPUTF8", "takes no value");
  const smtpUtf8 = parameter === "SMTPUTF8";
  const text = smtpUtf8 ? argument.slice(0, space).trimEnd() : argument;
  if (!smtpUtf8 && hasNonAscii(text)) return reply(553, "5.6.7", needsSmtpUtf8);
  return { kind, text, smtpUtf8 };
}

/** `offered` now, and `offeredUnderTls`, which is what a client in clear may be told to come back for. */
export function parseAuth(
  argument: string,
  offered: readonly string[],
  offeredUnderTls: readonly string[],
): AuthEvent | Reply {
  const [name = "", initial, ...rest] = argument.split(/ +/);
  if (name === "") return serverReplies.argumentMissing;
  const mechanism = asciiUpperCase(name);
  if (!offered.includes(mechanism)) {
    return offeredUnderTls.includes(mechanism) ? serverReplies.mechanismNeedsTls : serverReplies.mechanismUnknown;
  }
  if (initial === undefined) return { kind: "auth", mechanism };
  // "=" is an empty response, since nothing at all would mean that there is none (RFC 4954 §4).
  const initialResponse = initial === "=" ? new Uint8Array(0) : decodeBase64(initial);
  if (initialResponse === undefined || rest.length > 0) return serverReplies.loginSyntax;
  return { kind: "auth", mechanism, initialResponse };
}

/** Octets of base64 in its only correct spelling (RFC 4954 §4 forbids to guess): padded, nothing foreign, no stray bits. */
export function decodeBase64(text: string): Uint8Array | undefined {
  const octets = Buffer.from(text, "base64");
  return octets.toString("base64") === text ? octets : undefined;
}

export function isReply(value: object): value is Reply {
  return "code" in value;
}

const needsSmtpUtf8 = "An address outside ASCII needs SMTPUTF8";

function refusalOf({ reason, text }: AddressFailure): Reply {
  return reason === "non-ascii" ? reply(553, "5.6.7", needsSmtpUtf8) : reply(501, "5.1.3", text);
}
