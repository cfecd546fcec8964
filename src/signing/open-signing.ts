/** Signing, put together for a server: keys, their upkeep, and what other parts ask of them. */
import type { SigningKey } from "../dkim/signing-key.ts";
import type { Clock } from "../ports/clock.ts";
import type { SignatureCrypto } from "../ports/crypto.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Resolver } from "../ports/resolver.ts";
import { DomainSigning } from "./domain-signing.ts";
import { KeyAdministration } from "./key-administration.ts";
import { KeyKeeper } from "./key-keeper.ts";
import type { RecordStore } from "../spool/record-pages.ts";
import { KeyStore } from "./key-store.ts";
import type { MessageSigning } from "./message-signing.ts";
import type { DkimSettings } from "./settings.ts";
import { SigningKeys } from "./signing-keys.ts";

/** Beyond the time that mail may spend in our queue: it may wait as long in the recipient's, and be read after that. */
const keepBeyondExpiryMs = 2 * 86_400_000;

export interface SigningSettings {
  readonly dkim: DkimSettings;
  /** How long mail is tried (`queue.expire`). */
  readonly expireMs: number;
}

export interface SigningParts {
  readonly spool: RecordStore;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly crypto: SignatureCrypto;
  readonly random: Random;
  readonly log: Log;
}

export interface Signing {
  /** For mail that arrives. */
  readonly messages: MessageSigning;
  readonly keys: KeyAdministration;
  /** For an author or sealer of this domain (A-labels): at most one of each algorithm, RSA first; none where none may. */
  signingKeysFor(domain: string): readonly SigningKey[];
  /** From here on DNS is asked. */
  start(): void;
  reconfigure(settings: SigningSettings): void;
  close(): Promise<void>;
}

export async function openSigning(parts: SigningParts, settings: SigningSettings): Promise<Signing> {
  const store = new KeyStore(parts.spool);
  let current = settings;
  const keeper = await KeyKeeper.open({ ...parts, store }, keeperSettings(settings));
  const signingKeys = new SigningKeys(() => keeper.snapshot());
  const signingKeysFor = (domain: string) => signingKeys.forDomain(domain, parts.clock.now());
  const messages = new DomainSigning({ ...parts, signingKeysFor });
  return {
    messages,
    keys: new KeyAdministration({
      ...parts,
      store,
      keeper,
      declared: () => current.dkim.key,
      terms: () => keeperSettings(current),
    }),
    signingKeysFor,
    start: () => keeper.start(),
    reconfigure: (next) => {
      current = next;
      keeper.reconfigure(keeperSettings(next));
    },
    close: () => keeper.close(),
  };
}

function keeperSettings({ dkim, expireMs }: SigningSettings) {
  return { dkim, keepPublishedMs: keepPublishedMsOf(expireMs) };
}

/** `expireMs`: how long mail is tried (`queue.expire`). */
export function keepPublishedMsOf(expireMs: number): number {
  return expireMs + keepBeyondExpiryMs;
}
