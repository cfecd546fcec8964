/** The answers to HELO, EHLO and LHLO: a keyword stands there only where its command is honoured (RFC 5321 §4.2.4). */
import { reply, type Reply } from "../reply.ts";
import { xclientKeywords } from "../xclient.ts";
import type { ServerProtocolSettings } from "./protocol-settings.ts";

/** HELO knows no extensions and gets a single line (RFC 5321 §3.2). */
export function plainHelloReply(settings: ServerProtocolSettings): Reply {
  return reply(250, undefined, settings.hostname);
}

export function extendedHelloReply(settings: ServerProtocolSettings, tlsActive: boolean): Reply {
  const { hostname, messageBytesMax, recipientsMax, transactionsMax } = settings;
  const lines = [
    hostname,
    "PIPELINING",
    "8BITMIME",
    "SMTPUTF8",
    "ENHANCEDSTATUSCODES",
    "DSN",
    "CHUNKING",
    "BINARYMIME",
  ];
  // RFC 1870 §4: zero, here told by leaving the number out, is no fixed limit.
  lines.push(messageBytesMax > 0 ? `SIZE ${messageBytesMax}` : "SIZE");
  if (settings.tlsAvailable && !tlsActive) lines.push("STARTTLS");
  if (tlsActive) lines.push("REQUIRETLS");
  const mechanisms = offeredMechanisms(settings, tlsActive);
  if (mechanisms.length > 0) lines.push(`AUTH ${mechanisms.join(" ")}`);
  lines.push(`LIMITS RCPTMAX=${recipientsMax}${transactionsMax === undefined ? "" : ` MAILMAX=${transactionsMax}`}`);
  if (settings.xclient) lines.push(`XCLIENT ${xclientKeywords}`);
  lines.push("HELP");
  return { code: 250, lines };
}

/** Login mechanisms on offer now; none while TLS must come first. */
export function offeredMechanisms(settings: ServerProtocolSettings, tlsActive: boolean): readonly string[] {
  if (tlsActive) return settings.authMechanisms.tls;
  return settings.tlsRequired ? [] : settings.authMechanisms.clear;
}
