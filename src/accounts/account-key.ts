/**
 * Keys by which local addresses are found are those of `mailboxKey`: letter case and Unicode composition of the local-part
 * do not count among users of ours, A- and U-labels of a domain are equal. Addresses themselves keep their spelling from
 * end to end (RFC 5321 §2.4). Here is what sub-addressing adds to that.
 */

/** `ann@d` for `ann+shop@d`; `undefined` where there is no tag, or nothing in front of it. */
export function withoutTag(key: string): string | undefined {
  const plus = key.indexOf("+");
  const at = key.lastIndexOf("@");
  return plus > 0 && plus < at ? key.slice(0, plus) + key.slice(at) : undefined;
}

/** Whether the key's local-part, with or without a tag, is this one. */
export function isNamed(key: string, localPart: string): boolean {
  // The last @ ends it: a quoted local-part can hold others.
  const own = key.slice(0, key.lastIndexOf("@"));
  return own === localPart || own.startsWith(`${localPart}+`);
}
