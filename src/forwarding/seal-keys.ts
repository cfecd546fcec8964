/** Whose key seals a forwarded message, and a word in the log where nobody's can. */
import type { SigningKey } from "../dkim/signing-key.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { type ForwardingOptions, rewritingDomain } from "./settings.ts";

export type KeysFor = (domain: string) => readonly SigningKey[];

const dayMs = 86_400_000;
/** Domains remembered as told; they are our own, so there are as many as are configured. */
const toldMax = 100_000;

export class SealKeys {
  readonly #parts: { readonly clock: Clock; readonly log: Log; readonly keysFor: KeysFor };
  readonly #told = new Map<string, number>();

  constructor(parts: { readonly clock: Clock; readonly log: Log; readonly keysFor: KeysFor }) {
    this.#parts = parts;
  }

  /**
   * The address's own domain comes first, then that of rewritten reverse-paths, then the server's and the one above it.
   * RSA only: a chain fails permanently at whoever cannot check one of its seals, and few can check Ed25519.
   */
  choose(domain: string, options: ForwardingOptions): SigningKey | undefined {
    const { hostname } = options;
    const parent = hostname.slice(hostname.indexOf(".") + 1);
    for (const candidate of new Set([
      domain,
      rewritingDomain(options),
      asciiLowerCase(hostname),
      asciiLowerCase(parent),
    ])) {
      const key = this.#parts.keysFor(candidate).find(({ algorithm }) => algorithm === "rsa-sha256");
      if (key !== undefined) return key;
    }
    this.#tell(domain);
    return undefined;
  }

  /** Once a day for each domain. */
  #tell(domain: string): void {
    const { clock, log } = this.#parts;
    const now = clock.now();
    const before = this.#told.get(domain);
    if (before !== undefined && now - before < dayMs) return;
    if (this.#told.size >= toldMax) this.#told.clear();
    this.#told.set(domain, now);
    log.event("forwarding-unsealed", { domain });
  }
}
