/**
 * The header of the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt, revision of 2020/03/05), which a proxy
 * sends before everything else to say whose connection it passes on. Reads only what is certain: an octet that the protocol
 * does not allow is a fault, and so is a header without end, since the next program could read the rest otherwise.
 */
import { ipAddressOf, parseIpAddress } from "../address/ip-address.ts";
import { readProxyTlvs, type ProxyTlvs } from "./proxy-tlvs.ts";

/** Octets of a line of version 1 with its CRLF (§2.1): the longest that its grammar allows. */
const lineBytesMax = 107;
/**
 * Octets of a header of version 2. Addresses take at most 232; §2.2 wants 536 to arrive in one segment. The rest is for what
 * proxies add about TLS, client certificates among it.
 */
export const proxyHeaderBytesMax = 4096;

export interface ProxyEndpoint {
  /** In normal form; an IPv4-mapped address is the IPv4 address. */
  readonly address: string;
  readonly port: number;
}

export type ProxyHeader =
  /** The proxy passes on a connection from `client` to `server`. */
  | ({ readonly kind: "proxied"; readonly client: ProxyEndpoint; readonly server: ProxyEndpoint } & ProxyTlvs)
  /** The proxy speaks for itself, as in a health check (LOCAL, §2.2). */
  | { readonly kind: "local" }
  /** The proxy passes on a connection and cannot say from where (UNKNOWN, AF_UNSPEC, or a unix socket). */
  | ({ readonly kind: "unknown" } & ProxyTlvs);

/**
 * `absent`: the octets begin no header. `too-long`: there is no end within the largest size. `malformed`: an octet that the
 * protocol does not allow. `unsupported`: a version, command or family that no stream has. `checksum`: the CRC-32C is wrong.
 */
export type ProxyFault = "absent" | "too-long" | "malformed" | "unsupported" | "checksum";

export type ProxyReading =
  | { readonly kind: "incomplete" }
  /** `length`: octets of the header; what follows is the client's. */
  | { readonly kind: "header"; readonly header: ProxyHeader; readonly length: number }
  | { readonly kind: "fault"; readonly fault: ProxyFault };

/** §2.1 */
const lineStart = Buffer.from("PROXY ");
/** §2.2 */
const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
/** Signature, version and command, family, length. */
const fixedBytes = 16;

const incomplete = { kind: "incomplete" } as const;

/** `octets`: all that has come, from the first octet of the connection. Never throws. */
export function readProxyHeader(octets: Uint8Array): ProxyReading {
  const input = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  if (input.length === 0) return incomplete;
  if (beginsWith(input, lineStart)) return input.length < lineStart.length ? incomplete : readLine(input);
  if (beginsWith(input, signature)) return input.length < fixedBytes ? incomplete : readBinary(input);
  return fault("absent");
}

/** As far as either goes. */
function beginsWith(input: Buffer, start: Buffer): boolean {
  const length = Math.min(input.length, start.length);
  return input.subarray(0, length).equals(start.subarray(0, length));
}

function readLine(input: Buffer): ProxyReading {
  const head = input.subarray(0, lineBytesMax);
  const cr = head.indexOf(0x0d);
  const visible = cr === -1 ? head : head.subarray(0, cr);
  if (!visible.every((octet) => octet >= 0x20 && octet < 0x7f)) return fault("malformed");
  // The CR may be the last octet that can be in the line, where no LF fits any more.
  if (cr === -1 || cr === lineBytesMax - 1) return head.length < lineBytesMax ? incomplete : fault("too-long");
  const lf = head[cr + 1];
  if (lf === undefined) return incomplete;
  if (lf !== 0x0a) return fault("malformed");
  const header = parseLine(visible.toString("latin1", lineStart.length));
  return header === undefined ? fault("malformed") : { kind: "header", header, length: cr + 2 };
}

function parseLine(text: string): ProxyHeader | undefined {
  const [protocol, clientAddress, serverAddress, clientPort, serverPort, ...more] = text.split(" ");
  // §2.1: what follows UNKNOWN is to be ignored.
  if (protocol === "UNKNOWN") return { kind: "unknown" };
  if ((protocol !== "TCP4" && protocol !== "TCP6") || more.length > 0) return undefined;
  const client = endpointOf(protocol, clientAddress, clientPort);
  const server = endpointOf(protocol, serverAddress, serverPort);
  return client === undefined || server === undefined ? undefined : { kind: "proxied", client, server };
}

function endpointOf(protocol: "TCP4" | "TCP6", address = "", port = ""): ProxyEndpoint | undefined {
  // An address of the other family would be a way to say the same thing twice.
  if (address.includes(":") !== (protocol === "TCP6")) return undefined;
  const parsed = parseIpAddress(address);
  const number = parsePort(port);
  return parsed === undefined || number === undefined ? undefined : { address: parsed.text, port: number };
}

/** Decimal digits without leading zeros, up to 65535; undefined for everything else. */
export function parsePort(text: string): number | undefined {
  if (!/^(?:0|[1-9]\d{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65_535 ? port : undefined;
}

const addressBytes = { inet: 12, inet6: 36, unix: 216 } as const;

function readBinary(input: Buffer): ProxyReading {
  const versionAndCommand = input.readUInt8(12);
  const family = input.readUInt8(13);
  const bodyBytes = input.readUInt16BE(14);
  if (versionAndCommand >> 4 !== 2) return fault("unsupported");
  const command = versionAndCommand & 0x0f;
  if (command > 1) return fault("unsupported");
  const length = fixedBytes + bodyBytes;
  if (length > proxyHeaderBytesMax) return fault("too-long");
  if (input.length < length) return incomplete;
  // §2.2: of LOCAL, everything but the length is to be ignored.
  if (command === 0) return { kind: "header", header: { kind: "local" }, length };
  const header = proxied(input.subarray(0, length), family);
  return typeof header === "string" ? fault(header) : { kind: "header", header, length };
}

function proxied(whole: Buffer, family: number): ProxyHeader | ProxyFault {
  const body = whole.subarray(fixedBytes);
  switch (family) {
    // AF_UNSPEC; a stream over IPv4, over IPv6, over a unix socket. Datagrams carry no mail.
    case 0x00:
      return withTlvs(whole, 0, { kind: "unknown" });
    case 0x11:
      return body.length < addressBytes.inet ? "malformed" : withTlvs(whole, addressBytes.inet, addressesOf(body, 4));
    case 0x21:
      return body.length < addressBytes.inet6
        ? "malformed"
        : withTlvs(whole, addressBytes.inet6, addressesOf(body, 16));
    case 0x31:
      return body.length < addressBytes.unix ? "malformed" : withTlvs(whole, addressBytes.unix, { kind: "unknown" });
    default:
      return "unsupported";
  }
}

type WithAddresses = Omit<Extract<ProxyHeader, { readonly kind: "proxied" }>, keyof ProxyTlvs>;

function addressesOf(body: Buffer, bytes: 4 | 16): WithAddresses {
  const address = (at: number) => ipAddressOf(Uint8Array.from(body.subarray(at, at + bytes))).text;
  return {
    kind: "proxied",
    client: { address: address(0), port: body.readUInt16BE(2 * bytes) },
    server: { address: address(bytes), port: body.readUInt16BE(2 * bytes + 2) },
  };
}

function withTlvs(
  whole: Buffer,
  addresses: number,
  header: WithAddresses | { readonly kind: "unknown" },
): ProxyHeader | ProxyFault {
  const tlvs = readProxyTlvs(whole, fixedBytes + addresses);
  return typeof tlvs === "string" ? tlvs : { ...header, ...tlvs };
}

function fault(kind: ProxyFault): ProxyReading {
  return { kind: "fault", fault: kind };
}
