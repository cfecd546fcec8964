/** Headers of version 2 of the PROXY protocol, as a proxy would write them, for tests. */
export interface ProxyV2 {
  /** Version and command; default 0x21: version 2, PROXY. */
  readonly command?: number;
  /** Default 0x11: TCP over IPv4. */
  readonly family?: number;
  /** What follows the fixed part. Default: 203.0.113.9:4000 to 192.0.2.25:25. */
  readonly body?: Uint8Array;
  /** After the body: type and value of each. */
  readonly tlvs?: readonly (readonly [number, Uint8Array | string])[];
  /** In place of the true one. */
  readonly length?: number;
}

export const ipv4Body = Buffer.from([203, 0, 113, 9, 192, 0, 2, 25, 0x0f, 0xa0, 0, 25]);

export function proxyV2({ command = 0x21, family = 0x11, body = ipv4Body, tlvs = [], length }: ProxyV2 = {}): Buffer {
  const whole = Buffer.concat([body, ...tlvs.map(([type, value]) => tlv(type, value))]);
  const fixed = Buffer.from([command, family, 0, 0]);
  fixed.writeUInt16BE(length ?? whole.length, 2);
  return Buffer.concat([Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1"), fixed, whole]);
}

export function tlv(type: number, value: Uint8Array | string): Buffer {
  const octets = Buffer.from(value as string);
  const head = Buffer.from([type, 0, 0]);
  head.writeUInt16BE(octets.length, 1);
  return Buffer.concat([head, octets]);
}
