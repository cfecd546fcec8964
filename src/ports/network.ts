/**
 * Streams as an argument: TCP and unix sockets, plain or under TLS. Interfaces only; `node/` has the real one and
 * `testing/` the simulated one. TLS belongs to the port so that it can be simulated too.
 */
import type { Endpoint } from "../lib/endpoint.ts";
import type { CertificatePair } from "./certificates.ts";
import type { ClientCertificate } from "./client-certificate.ts";
import type { HandshakeDemand } from "./tls-demand.ts";

export type { Endpoint };

/** What is known of an established TLS layer. */
export interface TlsFacts {
  readonly protocol: string; // as OpenSSL names it: "TLSv1.3"
  readonly cipher: string; // IANA name: "TLS_AES_256_GCM_SHA384"
  readonly resumed: boolean;
  readonly serverName?: string;
  /** Client side: whether the server is the one that was meant, whatever the demand did with that. */
  readonly verified: boolean;
  /** How it was verified: by an authority and a name, or by the host's TLSA records (RFC 7672 §3.1). */
  readonly verifiedBy?: "pki" | "dane-ta" | "dane-ee";
  /** Why `verified` is false, in the TLS library's words, or in ours where TLSA records were demanded. */
  readonly verifyError?: string;
  readonly peerCertificate?: PeerCertificate;
  /** Server side: what the client showed, where it was asked. */
  readonly clientCertificate?: ClientCertificate;
}

export interface PeerCertificate {
  readonly subject: string;
  readonly issuer: string;
  readonly validTo: string;
  readonly fingerprint256: string;
  /** Of its subjectPublicKeyInfo, as `3 1 1` TLSA records have it: hexadecimal digits. Absent where it cannot be read. */
  readonly publicKeySha256?: string;
}

export interface TlsServerOptions {
  /** Asked at each handshake, so a certificate file that changed is served without a restart. */
  readonly context: () => TlsServerContext;
  /**
   * Clients are asked for a certificate, and need not show one. `authorities`: PEM of those who may vouch for it; empty:
   * nobody does, and its key alone counts. No session is resumed then, so that the key is proven each time.
   */
  readonly clientCertificates?: { readonly authorities: readonly string[] };
  /** false: no client may resume a session, so each handshake is a full one. */
  readonly sessionTickets?: boolean;
}

export interface TlsServerContext {
  /** Shown to clients that ask for no name, or for a name that no other certificate is for (RFC 6066 §3). */
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Shown to clients that ask for one of their names: lower case, `*.` for one label. */
  readonly others?: readonly (CertificatePair & { readonly names: readonly string[] })[];
  /** Grows by one whenever the files changed; lets the port cache what it derives from them. */
  readonly version: number;
}

export interface TlsClientOptions {
  /** Sent as SNI; the name that the certificate should be for where the demand has no names of its own. */
  readonly serverName: string;
  /**
   * A handshake that does not give it fails. `opportunistic` and `required` take any certificate, and the facts tell
   * whether it was valid; so does `dane` where none of the records can be used (RFC 7672 §2.2).
   */
  readonly demand: HandshakeDemand;
  /** Shown to a server that asks for one. */
  readonly certificate?: CertificatePair;
  /** Extra trusted roots, PEM. */
  readonly certificateAuthorities?: readonly string[];
  /** Sessions are kept under this key, and resumed under it where server name, demand and roots are the same. */
  readonly sessionKey?: string;
}

/** Callbacks of one connection, set once by its owner. None is called after `closed`. */
export interface ConnectionHandler {
  /** The array belongs to the handler from here on; nothing else writes to it. */
  data(bytes: Uint8Array): void;
  /** The peer finished sending. */
  end(): void;
  /** Output that made {@link Connection.write} return false has gone out. */
  drained(): void;
  /** Exactly once, last; `error` when the connection was lost rather than ended. */
  closed(error?: Error): void;
}

export interface Connection extends AsyncDisposable {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly tls: TlsFacts | undefined;
  /**
   * Channel binding data (RFC 5056) of the TLS layer, by the name of its type: `tls-exporter` (RFC 9266),
   * `tls-unique` or `tls-server-end-point` (RFC 5929). undefined: no TLS, or none of this type that could be relied on.
   */
  channelBinding(type: string): Uint8Array | undefined;
  /**
   * For what stands in front of the conversation, such as a PROXY header; once, before {@link start} and any handshake.
   * `read` gets all octets that have come, whenever there are more, until it says how many of them it has used; the others
   * are what the handler, or a handshake, gets first. Rejects with {@link NetworkError} when the peer leaves before that.
   */
  readPreface(read: (octets: Uint8Array) => number | undefined): Promise<void>;
  /** Must be called once; data flows from then on. What was lost before is then told as closed. */
  start(handler: ConnectionHandler): void;
  /** false: the buffer is above its high-water mark; wait for `drained`. */
  write(bytes: Uint8Array): boolean;
  /** Octets written and not yet taken by the operating system. */
  readonly bufferedBytes: number;
  pause(): void;
  resume(): void;
  /**
   * Turns this connection into a TLS one, in place; the handler stays. Where data flows already, octets received and not
   * yet handed over are discarded, never interpreted (RFC 3207 §4.2). Rejects with {@link NetworkError} `ETLS` on failure, and the
   * connection is then closed.
   */
  startTls(
    options:
      | ({ readonly side: "server" } & TlsServerOptions)
      | ({ readonly side: "client" } & TlsClientOptions & { readonly signal?: AbortSignal }),
  ): Promise<TlsFacts>;
  /** Sends what is buffered, then FIN. */
  end(): void;
  /** Drops the connection at once. */
  destroy(): void;
}

export class NetworkError extends Error {
  override readonly name = "NetworkError";
  /** `ECONNREFUSED`, `ETIMEDOUT`, `EHOSTUNREACH`, `ECONNRESET`, `ETLS`, `EADDRINUSE`, … */
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface NetworkListener extends AsyncDisposable {
  /** The real address: a port asked for as 0 is known here. */
  readonly endpoint: Endpoint;
  /** Stops accepting; open connections live on. */
  close(): Promise<void>;
}

export interface Network {
  /** Each connection is handed over as soon as there is one: a TLS handshake is its owner's to begin and to bound. */
  listen(endpoint: Endpoint, options: { readonly accept: (connection: Connection) => void }): Promise<NetworkListener>;
  /** A connection that arrives after `signal` aborted is closed, not leaked. */
  connect(
    endpoint: Endpoint,
    options: { readonly signal?: AbortSignal; readonly localAddress?: string; readonly tls?: TlsClientOptions },
  ): Promise<Connection>;
}
