/**
 * Why mail that a local address forwards left without an ARC set of ours (RFC 8617 §5.1). Types only; stored
 * with the history, so words are added and never change their meaning.
 */
export type UnsealedReason =
  /** `forwarding.seal` is off. */
  | "turned-off"
  /** No RSA key, published as far as that is asked for, is there for the alias's domain, the forwarding domain, the hostname or the domain above it. */
  | "no-key"
  /** It came with a chain that nobody looked at, since its client's mail is not checked. */
  | "chain-unchecked"
  /** The newest seal itself says that the chain failed. */
  | "chain-failed"
  /** It has as many sets as a chain may have. */
  | "chain-full"
  /** The chain was good on receipt, and is not whole in the header as it leaves. */
  | "chain-changed"
  /** It has no From field or several, or more fields than a signature lists. */
  | "unsignable-header"
  /** No empty line ends its header, so some would read body for header. */
  | "malformed-start"
  /** Sealing failed; the log says why. */
  | "fault";
