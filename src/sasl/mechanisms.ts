/** The mechanisms of a server, strongest first. A new one is added here and nowhere else. */
import { asciiUpperCase } from "../lib/ascii-case.ts";
import { external } from "./external.ts";
import { login } from "./login.ts";
import { oauthBearer, xoauth2 } from "./oauth.ts";
import { plain } from "./plain.ts";
import { scramSha1, scramSha1Plus, scramSha256, scramSha256Plus } from "./scram-server.ts";
import type { MechanismConditions, MechanismKind } from "./server-mechanism.ts";

export const serverMechanisms: readonly MechanismKind[] = [
  external,
  scramSha256Plus,
  scramSha256,
  scramSha1Plus,
  scramSha1,
  oauthBearer,
  xoauth2,
  plain,
  login,
];

/** Those that can succeed where things are so, for the EHLO line; `allowed`: names in upper case. */
export function offeredMechanisms(
  allowed: ReadonlySet<string>,
  conditions: MechanismConditions,
): readonly MechanismKind[] {
  return serverMechanisms.filter((kind) => allowed.has(kind.name) && kind.isPossible(conditions));
}

/** Mechanism names are compared without case (RFC 4422 §3.1 has them upper case; clients are not so strict). */
export function findMechanism(name: string): MechanismKind | undefined {
  const wanted = asciiUpperCase(name);
  return serverMechanisms.find((kind) => kind.name === wanted);
}
