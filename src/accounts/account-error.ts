/** Why the administration of accounts did not do what it was asked. */
export type AccountErrorCode =
  | "invalid-address"
  | "invalid-password"
  | "invalid-key"
  | "invalid-app-password"
  | "invalid-grant"
  | "domain-not-local"
  | "exists"
  | "not-found"
  /** Declared in the configuration file, or an alias of it. */
  | "read-only";

export class AccountError extends Error {
  override readonly name = "AccountError";
  readonly code: AccountErrorCode;
  constructor(code: AccountErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
