/** What becomes of mail that one of our addresses sends elsewhere: rewritten reverse-paths, and seals. */
import { forwardingOptions } from "../../config/settings-views.ts";
import { MessageForwarding } from "../../forwarding/message-forwarding.ts";
import type { Signing } from "../../signing/open-signing.ts";
import type { Opening } from "../plan/part.ts";
import type { Store } from "../store/store.ts";

export async function openForwarding(
  { settings, ports, parts }: Opening,
  { spool }: Store,
  signing: Signing,
): Promise<MessageForwarding> {
  const { clock, random, crypto, log } = ports;
  const keysFor = (domain: string) => signing.signingKeysFor(domain);
  const forwarding = await MessageForwarding.open(
    { spool, clock, random, crypto, log, keysFor },
    forwardingOptions(settings),
  );
  parts.add({
    name: "forwarding",
    view: forwardingOptions,
    prepare: (next) => () => forwarding.reconfigure(next),
    stop: () => forwarding[Symbol.asyncDispose](),
  });
  return forwarding;
}
