/**
 * Where everybody is. As root on Linux, the command runs itself in a network namespace of its own, in which all of 10.0.0.0/8
 * is this machine: then attackers come from as many networks as they like, limits count them, and nobody else is reached.
 * Elsewhere everybody is on 127.0.0.0/8, whose clients no limit counts.
 */
import { spawnSync } from "node:child_process";

const inside = "POSTHASTE_ATTACK_NAMESPACE";

export const hasNamespace = process.env[inside] === "yes";
const first = hasNamespace ? 10 : 127;

export const serverAddress = `${first}.0.0.1`;
/** May relay. */
export const insideAddress = `${first}.2.0.1`;
/** Where a hostile mail server listens. */
export const hostileAddress = `${first}.3.0.1`;

let lastHonest = 0;

/** The next of many honest clients: one that sent all of this mail would meet the limit on connections a minute. */
export function honestClient(): string {
  lastHonest = (lastHonest + 1) % 50_000;
  return `${first}.1.${lastHonest >> 8}.${lastHonest & 255}`;
}

let last = 0;

/** The next of a million attackers, each in a network of its own as far as limits are concerned. */
export function attacker(): string {
  last = (last + 1) % 1_000_000;
  return `${first}.${64 + (last >> 16)}.${(last >> 8) & 255}.${last & 255}`;
}

/** Runs the command once more in a namespace, and ends with its exit code; returns where that is not possible, or done. */
export function enterNamespace(): void {
  if (hasNamespace || process.platform !== "linux" || process.getuid?.() !== 0) return;
  const setUp = "ip link set lo up && ip route add local 10.0.0.0/8 dev lo";
  const { status } = spawnSync(
    "unshare",
    [
      "--net",
      "sh",
      "-c",
      `${setUp} || exit 77; exec "$@"`,
      "sh",
      process.execPath,
      ...process.execArgv,
      ...process.argv.slice(1),
    ],
    { stdio: "inherit", env: { ...process.env, [inside]: "yes" } },
  );
  if (status !== 77 && status !== null) process.exit(status);
}
