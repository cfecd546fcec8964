/** Octets to be sent, gathered until the driver takes them, so that one flight is one write. */
export class ClientOutput {
  #parts: (string | Uint8Array)[] = [];

  /** Text goes out in UTF-8; bytes are taken as they are and must not change until taken. */
  push(part: string | Uint8Array): void {
    this.#parts.push(part);
  }

  /** Everything so far as one piece; undefined when there is nothing. */
  take(): Uint8Array | undefined {
    const parts = this.#parts;
    const [first] = parts;
    if (first === undefined) return undefined;
    this.#parts = [];
    if (parts.length === 1) return typeof first === "string" ? Buffer.from(first, "utf8") : first;

    let length = 0;
    for (const part of parts) length += typeof part === "string" ? Buffer.byteLength(part, "utf8") : part.length;
    const whole = Buffer.allocUnsafe(length);
    let offset = 0;
    for (const part of parts) {
      if (typeof part === "string") offset += whole.write(part, offset, "utf8");
      else {
        whole.set(part, offset);
        offset += part.length;
      }
    }
    return whole;
  }
}
