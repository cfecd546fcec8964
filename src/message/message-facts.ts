/** What one pass over an arriving message found out about it; kept with the message, so it is never parsed again. */
export interface MessageFacts {
  /** Number of Received fields on arrival (hop count, RFC 5321 §6.3). */
  readonly receivedCount: number;
  /** One of the Received fields is ours (`by` our host name): the mail has been here before. */
  readonly ownReceived: boolean;
  /** How many of them are ours; absent: none, or the message was stored before they were counted. */
  readonly ownReceivedCount?: number;
  /** `Auto-Submitted` present and not `no` (RFC 3834). */
  readonly autoSubmitted: boolean;
  /** Addresses of the Delivered-To fields, lower case. */
  readonly deliveredTo: readonly string[];
  /**
   * The header section, or that of a nested part, has UTF-8 beyond ASCII (RFC 6532). It needs SMTPUTF8 if MAIL declared it
   * (RFC 6531 §3.4); otherwise it is 8-bit content.
   */
  readonly utf8Header: boolean;
  /** Any octet above 127 anywhere: needs 8BITMIME. */
  readonly eightBit: boolean;
  /**
   * Cannot be sent with DATA (RFC 3030 §3): bare CR or LF, or, in content declared BINARYMIME, NUL or long lines. What came
   * as text goes on as it came, however long its lines: the field is full of them, and every server takes them.
   */
  readonly binary: boolean;
  /** A line has more than 998 octets: must not be quoted in a message of ours. */
  readonly longLines?: true;
  /** `TLS-Required: No`: whoever sent it would rather have it go in clear than not at all (RFC 8689 §4.1). */
  readonly tlsOptional?: true;
  /** Decoded, for people; at most 998 characters on one line. */
  readonly subject?: string;
  readonly messageId?: string;
  /** The From field's text, decoded, for people: never to be parsed for an address again. */
  readonly from?: string;
}
