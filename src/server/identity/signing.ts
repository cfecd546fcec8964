/** The DKIM keys of our domains, and the signatures that they make. */
import { signingSettings } from "../../config/settings-views.ts";
import { openSigning as open, type Signing } from "../../signing/open-signing.ts";
import type { Opening } from "../plan/part.ts";
import type { Store } from "../store/store.ts";

export async function openSigning({ settings, ports, parts }: Opening, { spool }: Store): Promise<Signing> {
  const { resolver, clock, crypto, random, log } = ports;
  const signing = await open({ spool, resolver, clock, crypto, random, log }, signingSettings(settings));
  parts.add({
    name: "signing",
    view: signingSettings,
    prepare: (next) => () => signing.reconfigure(next),
    start: () => signing.start(),
    stop: () => signing.close(),
  });
  return signing;
}
