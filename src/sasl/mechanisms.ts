/** The mechanisms a server offers, strongest first. A new one is added here and nowhere else. */
import { asciiUpperCase } from "../lib/ascii-case.ts";
import { login } from "./login.ts";
import { plain } from "./plain.ts";
import type { MechanismKind } from "./server-mechanism.ts";

export const serverMechanisms: readonly MechanismKind[] = [plain, login];

/** Names for the EHLO line: clear-text ones only where the channel is private (RFC 4954 §4). */
export function offeredMechanisms(privateChannel: boolean): readonly MechanismKind[] {
  return serverMechanisms.filter(({ clearText }) => privateChannel || !clearText);
}

/** Mechanism names are compared without case (RFC 4422 §3.1 has them upper case; clients are not so strict). */
export function findMechanism(name: string): MechanismKind | undefined {
  const wanted = asciiUpperCase(name);
  return serverMechanisms.find((kind) => kind.name === wanted);
}
