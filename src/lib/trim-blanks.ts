/** Spaces and tabs, which protocols mean by white space; `trim` also takes line ends and the blanks of Unicode. */

export function trimBlanks(text: string): string {
  const end = endOfText(text);
  let start = 0;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  return text.slice(start, end);
}

/** Index behind the last character that is no blank. */
export function endOfText(text: string): number {
  let end = text.length;
  while (end > 0 && isBlank(text.charCodeAt(end - 1))) end--;
  return end;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
