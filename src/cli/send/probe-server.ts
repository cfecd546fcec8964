/** Does a port greet in clear, or wait for a TLS handshake? Asked only when the first try failed. */
import type { CliContext } from "../context.ts";
import type { SendTarget } from "./send-plan.ts";

/** Each of the two looks. */
const probeMs = 3000;

export async function probeServer(target: SendTarget, context: CliContext): Promise<"clear" | "tls" | "unknown"> {
  if (await greetsInClear(target, context)) return "clear";
  return (await shakesHands(target, context)) ? "tls" : "unknown";
}

async function greetsInClear({ endpoint }: SendTarget, { network, clock }: CliContext): Promise<boolean> {
  try {
    await using connection = await network.connect(endpoint, { signal: clock.timeout(probeMs) });
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = clock.setTimer(probeMs, () => resolve(false));
    connection.start({
      data: (bytes) => resolve(/^[245]\d\d[ -]/.test(Buffer.from(bytes).toString("latin1", 0, 4))),
      end: () => resolve(false),
      drained: () => undefined,
      closed: () => resolve(false),
    });
    const greets = await promise;
    timer.cancel();
    connection.destroy();
    return greets;
  } catch {
    return false;
  }
}

async function shakesHands({ endpoint, name }: SendTarget, { network, clock }: CliContext): Promise<boolean> {
  try {
    const tls = { serverName: name, demand: { kind: "required" } } as const;
    await using connection = await network.connect(endpoint, { signal: clock.timeout(probeMs), tls });
    connection.start({
      data: () => undefined,
      end: () => undefined,
      drained: () => undefined,
      closed: () => undefined,
    });
    connection.destroy();
    return true;
  } catch {
    return false;
  }
}
