/** Enhanced mail system status codes (RFC 3463, RFC 2034). */
export type StatusClass = 2 | 4 | 5;
/** `class.subject.detail`; subject and detail have one to three digits, no leading zeros. */
export type EnhancedStatus<C extends StatusClass = StatusClass> = `${C}.${number}.${number}`;
