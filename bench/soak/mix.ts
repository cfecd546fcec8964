/** What is sent, in which shares, and through which door. */
import { plainBody, signedMessage } from "../auth/messages.ts";
import type { Flow, Ledger } from "./ledger.ts";

/** `relay` and `mx` are one listener; clients of the one may relay, those of the other are strangers and checked. */
export type Door = "relay" | "mx" | "submission";

export interface NumberedMessage {
  readonly number: number;
  readonly door: Door;
  readonly reversePath: string;
  readonly recipient: string;
  /** The field with the number; no signature covers it. */
  readonly head: string;
  /** With dots doubled, ends with CRLF. */
  readonly content: Buffer;
}

/** Of a hundred messages. Those with signatures to verify come from domains of `domainsOf`. */
const shares: readonly (readonly [Flow, number])[] = [
  ["relay", 32],
  ["inbound", 32],
  ["submission", 16],
  ["forward", 8],
  ["bounce", 5],
  ["faulty", 5],
  ["large", 2],
];

export const domainCount = 50;
export const localUsers = ["ann", "bob", "cal", "dee"];
export const localDomain = "soak.test";

export function senderDomain(index: number): string {
  return `sender${index}.example`;
}

export class PreparedMix {
  readonly #signed: readonly Buffer[];
  readonly #plain: Buffer;
  readonly #submitted: Buffer;
  /** Above 256 KiB, so that it becomes a file. */
  readonly #large: Buffer;
  readonly #order: readonly Flow[];
  #position = 0;

  private constructor(signed: readonly Buffer[]) {
    this.#signed = signed;
    this.#plain = message("ann@client.test", 4000);
    this.#submitted = message(`ann@${localDomain}`, 4000);
    this.#large = message("ann@client.test", 300 * 1024);
    this.#order = spread();
  }

  static async make(): Promise<PreparedMix> {
    const signed: Buffer[] = [];
    for (let index = 0; index < domainCount; index++) {
      // Every tenth is longer.
      const octets = index % 10 === 0 ? 32_000 : 2800;
      signed.push(await signedMessage(senderDomain(index), `m${index}`, plainBody(octets)));
    }
    return new PreparedMix(signed);
  }

  next(ledger: Ledger, faulty: boolean): NumberedMessage {
    const position = this.#position++;
    const flow = this.#order[position % this.#order.length] ?? "relay";
    const number = ledger.begin(flow === "faulty" && !faulty ? "relay" : flow);
    const head = `X-Soak: ${number}\r\n`;
    // Reports go to as many addresses as there are messages: many to one address would look like a loop.
    const plain = { number, head, door: "relay", reversePath: `s${number}@return.test`, content: this.#plain } as const;
    switch (flow) {
      case "relay":
        return { ...plain, recipient: `r${number}@relay.test` };
      case "large":
        return { ...plain, recipient: `r${number}@relay.test`, content: this.#large };
      case "bounce":
        return { ...plain, recipient: `r${number}@refuse.test` };
      case "faulty":
        return { ...plain, recipient: `r${number}@${faulty ? "faulty" : "relay"}.test` };
      case "submission":
        return {
          ...plain,
          door: "submission",
          reversePath: `ann@${localDomain}`,
          recipient: `r${number}@relay.test`,
          content: this.#submitted,
        };
      case "inbound":
      case "forward": {
        const index = number % domainCount;
        const user = flow === "forward" ? "forward" : localUsers[number % localUsers.length];
        return {
          ...plain,
          door: "mx",
          reversePath: `ann@${senderDomain(index)}`,
          recipient: `${user}@${localDomain}`,
          content: this.#signed[index] ?? this.#plain,
        };
      }
    }
    return flow satisfies never;
  }
}

function message(from: string, octets: number): Buffer {
  const header = `From: <${from}>\r\nTo: <somebody@relay.test>\r\nSubject: soak\r\nDate: Tue, 03 Nov 2026 10:15:00 +0000\r\n`;
  return Buffer.concat([Buffer.from(`${header}\r\n`), plainBody(octets)]);
}

/** A hundred in the order that keeps each flow's messages as far apart as they can be. */
function spread(): readonly Flow[] {
  const credits = new Map(shares.map(([flow]) => [flow, 0]));
  return Array.from({ length: 100 }, () => {
    for (const [flow, share] of shares) credits.set(flow, (credits.get(flow) ?? 0) + share);
    const [chosen] = [...credits].toSorted(([, a], [, b]) => b - a)[0] ?? ["relay" as const];
    credits.set(chosen, (credits.get(chosen) ?? 0) - 100);
    return chosen;
  });
}
