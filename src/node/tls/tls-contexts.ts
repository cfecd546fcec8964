/**
 * What TLS needs beside the socket: contexts, made once and kept, since making one costs a millisecond and more; and the
 * sessions of clients, for resumption, each with what its full handshake found.
 */
import { constants, randomBytes } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";

import { keepNewest } from "../../lib/newest.ts";
import type { TlsClientOptions, TlsServerOptions } from "../../ports/network.ts";
import { demandKey } from "../../ports/tls-demand.ts";
import type { CertificatePair } from "../../ports/certificates.ts";
import { usualRoots } from "./authorities.ts";
import { choiceFor } from "./server-names.ts";
import type { PeerVerdict } from "./tls-facts.ts";

/** RFC 8996: nothing below TLS 1.2, in either direction. */
const minVersion = "TLSv1.2";
/** Best first: the first one outlives quantum computers (draft-ietf-tls-ecdhe-mlkem). */
const keyExchangeGroups = "X25519MLKEM768:X25519:P-256:P-384:P-521";
/** Of each listener: as many as may be configured, and their last version. */
const serverContextsMax = 256;
/** One for the system's roots and one for each set of extra roots, which come from few settings. */
const clientContextsMax = 32;
/** A session is 1 to 3 KB: at most 30 MB, and sites beyond the last ten thousand pay for a full handshake. */
const sessionsMax = 10_000;

export interface KeptSession {
  readonly session: Buffer;
  /** What the full handshake found: a resumed one shows no certificate. */
  readonly verdict: PeerVerdict;
}

/** Each listener has its own, and so has the network for what it connects to. */
export class TlsContexts {
  /** A session of one listener is none of another's, which may be for other clients. OpenSSL takes up to 32 octets. */
  readonly #sessionIdContext = randomBytes(16).toString("hex");
  readonly #server = new Map<string, { readonly version: number; readonly context: SecureContext }>();
  readonly #client = new Map<string, SecureContext>();
  readonly #sessions = new Map<string, KeptSession>();

  /**
   * `serverName`: what the client asks for. Session tickets stay valid here and for as long as the context lives, since it
   * holds their keys.
   */
  server(options: TlsServerOptions, serverName?: string): SecureContext {
    const { others = [], version, ...main } = options.context();
    const shown = (serverName === undefined ? undefined : choiceFor(others, serverName)) ?? main;
    return this.#contextOf(shown, version, options);
  }

  #contextOf(
    { certificatePem, keyPem }: CertificatePair,
    version: number,
    { clientCertificates, sessionTickets = true }: TlsServerOptions,
  ): SecureContext {
    const authorities = clientCertificates?.authorities.join("\n") ?? "";
    const asks = clientCertificates !== undefined;
    const tickets = sessionTickets && !asks;
    const name = `${asks} ${tickets} ${authorities}\n${certificatePem}`;
    const known = this.#server.get(name);
    if (known?.version === version) return known.context;
    const context = createSecureContext({
      cert: certificatePem,
      key: keyPem,
      minVersion: minVersion,
      ecdhCurve: groups(),
      honorCipherOrder: true,
      sessionIdContext: this.#sessionIdContext,
      // A client that renegotiates has us pay for handshakes at its pleasure; TLS 1.3 has no renegotiation at all. A
      // ticket would stand for a client's key without proof of it.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (tickets ? 0 : constants.SSL_OP_NO_TICKET),
      ...(authorities !== "" && { ca: authorities }),
    });
    keepNewest(this.#server, name, { version, context }, serverContextsMax);
    return context;
  }

  client(options: TlsClientOptions): SecureContext {
    const extra = options.certificateAuthorities ?? [];
    const { certificate } = options;
    const key = [...extra, ...shownCertificate(options)].join("\n");
    const known = this.#client.get(key);
    if (known !== undefined) return known;
    const context = createSecureContext({
      minVersion: minVersion,
      ecdhCurve: groups(),
      ca: [...usualRoots(), ...extra],
      ...(certificate && { cert: certificate.certificatePem, key: certificate.keyPem }),
    });
    keepNewest(this.#client, key, context, clientContextsMax);
    return context;
  }

  session(options: TlsClientOptions): KeptSession | undefined {
    const key = sessionKey(options);
    return key === undefined ? undefined : this.#sessions.get(key);
  }

  keepSession(options: TlsClientOptions, kept: KeptSession): void {
    const key = sessionKey(options);
    if (key !== undefined) keepNewest(this.#sessions, key, kept, sessionsMax);
  }

  /** After a failed resumption the next handshake is a full one. */
  forgetSession(options: TlsClientOptions): void {
    const key = sessionKey(options);
    if (key !== undefined) this.#sessions.delete(key);
  }
}

let groupsOfThisOpenSsl: string | undefined;

/** "auto", OpenSSL's own choice, where it is older than 3.5 and does not know all of ours. */
function groups(): string {
  if (groupsOfThisOpenSsl !== undefined) return groupsOfThisOpenSsl;
  try {
    createSecureContext({ ecdhCurve: keyExchangeGroups });
    groupsOfThisOpenSsl = keyExchangeGroups;
  } catch {
    groupsOfThisOpenSsl = "auto";
  }
  return groupsOfThisOpenSsl;
}

/** Sessions made under another demand, name or other roots would carry a verdict that was not asked for. */
function sessionKey(options: TlsClientOptions): string | undefined {
  if (options.sessionKey === undefined) return undefined;
  return [
    options.sessionKey,
    options.serverName,
    demandKey(options.demand),
    ...(options.certificateAuthorities ?? []),
    ...shownCertificate(options),
  ].join("\n");
}

function shownCertificate({ certificate }: TlsClientOptions): readonly string[] {
  return certificate === undefined ? [] : [certificate.certificatePem, certificate.keyPem];
}
