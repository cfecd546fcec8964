/**
 * What follows the addresses in a PROXY header of version 2 (§2.2.1): fields with a type and a length. Those that say under
 * which TLS the client came to the proxy are read, for the log; the checksum is compared; all others are passed over.
 */
import { printable } from "../lib/printable-text.ts";

/** The client's TLS, which ended at the proxy. */
export interface ProxyTls {
  /** As the proxy names it: "TLSv1.3". */
  readonly protocol?: string;
  readonly cipher?: string;
}

export interface ProxyTlvs {
  readonly tls?: ProxyTls;
  /** The name that the client asked for (SNI). */
  readonly serverName?: string;
}

const types = { authority: 0x02, checksum: 0x03, ssl: 0x20 } as const;
const sslTypes = { version: 0x21, cipher: 0x23 } as const;
/** The client came to the proxy under TLS. */
const clientSsl = 0x01;
/** Flags, and the result of verifying the client's certificate. */
const sslFixedBytes = 5;
/** Characters of a text that are kept: those of a domain (RFC 5321 §4.5.3.1.2). */
const textMax = 255;

interface Tlv {
  readonly type: number;
  readonly value: Buffer;
  /** Of the value, in the octets given. */
  readonly at: number;
}

/** `whole`: a complete header, whose fields begin at `start`. */
export function readProxyTlvs(whole: Buffer, start: number): ProxyTlvs | "malformed" | "checksum" {
  const fields = split(whole, start);
  if (fields === undefined) return "malformed";
  let tls: ProxyTls | undefined;
  let serverName: string | undefined;
  for (const { type, value, at } of fields) {
    if (type === types.authority) serverName = textOf(value);
    else if (type === types.checksum) {
      if (value.length !== 4) return "malformed";
      if (value.readUInt32BE(0) !== crc32c(whole, at)) return "checksum";
    } else if (type === types.ssl) {
      const read = readSsl(value);
      if (read === "malformed") return read;
      tls = read;
    }
  }
  return { ...(tls !== undefined && { tls }), ...(serverName !== undefined && { serverName }) };
}

function readSsl(value: Buffer): ProxyTls | undefined | "malformed" {
  const fields = value.length < sslFixedBytes ? undefined : split(value, sslFixedBytes);
  if (fields === undefined) return "malformed";
  if ((value.readUInt8(0) & clientSsl) === 0) return undefined;
  const named = (wanted: number) => {
    const found = fields.find(({ type }) => type === wanted);
    return found && textOf(found.value);
  };
  const protocol = named(sslTypes.version);
  const cipher = named(sslTypes.cipher);
  return { ...(protocol !== undefined && { protocol }), ...(cipher !== undefined && { cipher }) };
}

/** undefined: the last field is not whole. */
function split(octets: Buffer, start: number): readonly Tlv[] | undefined {
  const fields: Tlv[] = [];
  let at = start;
  while (at < octets.length) {
    if (octets.length - at < 3) return undefined;
    const length = octets.readUInt16BE(at + 1);
    const value = octets.subarray(at + 3, at + 3 + length);
    if (value.length < length) return undefined;
    fields.push({ type: octets.readUInt8(at), value, at: at + 3 });
    at += 3 + length;
  }
  return fields;
}

function textOf(value: Buffer): string {
  return printable(value.toString("utf8", 0, textMax), "?");
}

/** CRC-32C of the header, whose four octets of checksum count as zero (§2.2.3). */
function crc32c(octets: Buffer, checksumAt: number): number {
  let crc = 0xffffffff;
  for (let index = 0; index < octets.length; index++) {
    const isChecksum = index >= checksumAt && index < checksumAt + 4;
    crc ^= isChecksum ? 0 : (octets[index] ?? 0);
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
