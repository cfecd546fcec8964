/**
 * Cryptography that uses the thread pool. Synchronous hashes may be used anywhere (`node:crypto`); what completes in
 * an order of its own is a port, because that order would break a simulation's seed.
 */
export interface Crypto {
  /** argon2id in PHC string form (`$argon2id$v=19$m=…,t=…,p=…$salt$hash`). */
  hashPassword(password: string): Promise<string>;
  /** false for a wrong password and for a string that is no argon2id PHC. Constant time over the hash. */
  verifyPassword(password: string, phc: string): Promise<boolean>;
}
