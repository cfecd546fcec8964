/** `text`, or as much of it as fits, the mark of omission included, into `lengthMax` UTF-16 code units. */
export function shorten(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1)}…`;
}
