/** DNS as an argument. Answers are values; only a programming error throws. */

export interface MxRecord {
  readonly preference: number;
  /** Lower case, without the final dot; "" is the null MX (RFC 7505). */
  readonly exchange: string;
}
export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matching: number;
  readonly data: Uint8Array;
}
/** What a query of each type yields. TXT: the strings of one record joined. A and AAAA: textual addresses. */
export interface RecordTypes {
  readonly A: string;
  readonly AAAA: string;
  readonly MX: MxRecord;
  readonly TXT: string;
  readonly PTR: string;
  readonly CNAME: string;
  readonly TLSA: TlsaRecord;
}
export type RecordType = keyof RecordTypes;

/** CNAMEs are followed by the resolver; `name` is the owner of the records at the end of the chain. */
export type DnsAnswer<T extends RecordType> =
  | {
      readonly kind: "records";
      readonly records: readonly RecordTypes[T][];
      readonly name: string;
      readonly ttlSeconds: number;
      readonly secure: boolean; // the AD bit (RFC 4035 §3.2.3)
    }
  /** The name exists and has no records of this type. */
  | { readonly kind: "no-data"; readonly secure: boolean }
  /** NXDOMAIN. */
  | { readonly kind: "no-name"; readonly secure: boolean }
  /** SERVFAIL, REFUSED, time-out, a broken or looping answer: try again later. */
  | { readonly kind: "failure"; readonly reason: string };

/** For whom a question is asked: whose turn it is when many wait. */
export interface DnsAsker {
  /** Strangers' mail, our deliveries, or what the server asks for itself. */
  readonly purpose: "inbound" | "outbound" | "upkeep";
  /** The client's network, or the next hop. */
  readonly client?: string;
  /** Stands for one message: questions of one object share. */
  readonly message?: object;
}

export interface QueryOptions {
  readonly signal?: AbortSignal;
  /** An answer that nothing is there is not taken from the cache, for those who wait for a record to appear. */
  readonly fresh?: boolean;
  /** Default: the server itself. */
  readonly asker?: DnsAsker;
}

export interface Resolver {
  /** `name`: A-labels, without the final dot, any case. Bounded in time by the resolver itself. */
  query<T extends RecordType>(name: string, type: T, options?: QueryOptions): Promise<DnsAnswer<T>>;
  /** What a query would give without asking anyone; undefined: it would ask. Resolvers without a memory lack this. */
  known?<T extends RecordType>(name: string, type: T): DnsAnswer<T> | undefined;
}
