/** All keys of a server: the stored ones together with those that the configuration declares, each ready for use. */
import { domainKeyOf } from "../address/domain.ts";
import { readPrivateKey, recordText, type SigningKey } from "../dkim/signing-key.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { Instant } from "../lib/instant.ts";
import { keyName, type StoredKey } from "./key-store.ts";
import type { DkimKeySettings } from "./settings.ts";

export interface HeldKey {
  readonly stored: StoredKey;
  /** Absent where the private half is gone. */
  readonly signing?: SigningKey;
}

export interface HeldKeys {
  readonly keys: readonly HeldKey[];
  /** What is stored of keys that are declared no longer. */
  readonly gone: readonly StoredKey[];
  readonly problems: readonly { readonly domain: string; readonly selector: string; readonly problem: string }[];
}

export function holdKeys(stored: readonly StoredKey[], declared: readonly DkimKeySettings[], now: Instant): HeldKeys {
  const held = new Map<string, HeldKey>();
  const remembered = new Map<string, StoredKey>();
  const problems: HeldKeys["problems"][number][] = [];
  for (const key of stored) {
    if (key.declared === true) remembered.set(keyName(key), key);
    else held.set(keyName(key), holdStored(key));
  }
  for (const settings of declared) {
    const domain = domainKeyOf(settings.domain) ?? settings.domain;
    const selector = asciiLowerCase(settings.selector);
    const name = keyName({ domain, selector });
    const read = readPrivateKey(settings.key);
    if (read.kind === "problem") {
      problems.push({ domain, selector, problem: `the declared key ${read.problem}` });
      continue;
    }
    if (held.has(name)) {
      problems.push({ domain, selector, problem: "there is another key of this name; the declared one is not used" });
      continue;
    }
    const record = recordText(read.key);
    const known = remembered.get(name);
    const before = known?.record === record ? known : undefined;
    remembered.delete(name);
    held.set(name, {
      // In use elsewhere so far, as far as anyone knows: it signs as soon as it is seen, without the margin of a new one.
      stored: before ?? {
        domain,
        selector,
        algorithm: read.algorithm,
        createdAt: now,
        declared: true,
        record,
        state: { kind: "vanished", since: now, activeSince: now },
      },
      signing: { domain, selector, algorithm: read.algorithm, key: read.key },
    });
  }
  return { keys: [...held.values()], gone: [...remembered.values()], problems };
}

export function holdStored(stored: StoredKey): HeldKey {
  const read = stored.privateKey === undefined ? undefined : readPrivateKey(stored.privateKey);
  if (read?.kind !== "key") return { stored };
  const { domain, selector, algorithm } = stored;
  return { stored, signing: { domain, selector, algorithm, key: read.key } };
}

/** One replaces the other: keys of one domain and algorithm. */
export function isSameLine(a: StoredKey, b: StoredKey): boolean {
  return a.domain === b.domain && a.algorithm === b.algorithm;
}
