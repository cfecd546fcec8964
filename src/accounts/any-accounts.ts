/**
 * The account directory of development: every address is local and exists, every login is right and may send as anybody.
 * Only servers in development mode use it: they capture all mail. `posthaste dev` listens on loopback unless `--host` names
 * another address.
 */
import { formatMailbox } from "../address/mailbox-text.ts";
import type { Mailbox } from "../address/mailbox.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { AccountDirectory, LoginClaim, LoginResult, Resolution, SignInMeans } from "./account-directory.ts";

export class AnyAccounts implements AccountDirectory {
  readonly #hostname: string;

  /** `hostname`: where `<postmaster>` without a domain is at home. */
  constructor(hostname: string) {
    this.#hostname = hostname;
  }

  resolve(mailbox: Mailbox): Resolution {
    const { localPart, domainKey } = mailbox;
    const homeless = domainKey === "";
    const home = homeless ? { localPart, domain: this.#hostname, domainKey: asciiLowerCase(this.#hostname) } : mailbox;
    const key = `${localPart}@${home.domainKey}`;
    const target = { address: formatMailbox(home), domain: home.domainKey, key, user: key };
    return { kind: "local", via: "any", targets: [target], setting: "development: every recipient is captured" };
  }

  mayUse(): boolean {
    return true;
  }

  /** Any password is right, so a proof of one cannot be checked: PLAIN and LOGIN are all there is. */
  signInMeans(): SignInMeans {
    return { verifiers: new Set(), tokens: undefined };
  }

  verifiersOf(): readonly never[] {
    return [];
  }

  knowsCertificate(): boolean {
    return false;
  }

  authenticate(claim: LoginClaim): Promise<LoginResult> {
    return Promise.resolve(
      claim.kind === "password"
        ? { kind: "accepted", login: claim.username }
        : { kind: "unavailable", reason: "development knows passwords only" },
    );
  }
}
