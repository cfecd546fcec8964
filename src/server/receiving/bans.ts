/** The bans of networks and the limits on guessing passwords, with what an operator may see and change of them. */
import { type SignInSubject, MemorySignInLimits, type SignInLimits } from "../../accounts/sign-in-limits.ts";
import type { BanDirectory } from "../../admin/bans-api.ts";
import { clientNetwork } from "../../accounts/client-network.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { tellBan } from "../../policy/ban-notice.ts";
import { Bans } from "../../policy/bans.ts";
import { BanStore } from "../../policy/ban-store.ts";
import { logTrouble } from "../../spool/spool-trouble.ts";
import { InForce, type Opening } from "../plan/part.ts";
import type { Store } from "../store/store.ts";

export interface OpenBans {
  readonly bans: Bans;
  readonly signInLimits: SignInLimits;
  readonly directory: BanDirectory;
}

export async function openBans({ settings, ports, parts }: Opening, { spool }: Store): Promise<OpenBans> {
  const { clock, log } = ports;
  const store = new BanStore(spool);
  // What cannot be written is in memory until the next restart.
  const tell = (error: unknown) => logTrouble(log, "storing a ban", error);
  const view = ({ bans: numbers, relay: { networks } }: Settings) => ({ numbers, networks });
  const { get, prepare } = new InForce(view(settings));
  const bans = new Bans({
    settings: settings.bans,
    clock,
    isProxy: (address) =>
      settings.listener.some(({ proxy, xclient }) => proxy?.from.contains(address) || xclient?.from.contains(address)),
    isRelay: (address) => get().networks.contains(address),
    banned: (ban) => {
      tellBan(log, ban);
      store.putBan(ban).catch(tell);
    },
    signedIn: (network, at) => {
      store.putSignedIn(network, at).catch(tell);
    },
  });
  const { bans: stored, signedIn } = await store.read();
  bans.restore(stored, signedIn);
  parts.add({
    name: "bans",
    view,
    prepare: (next) => {
      const apply = prepare(next);
      return () => {
        apply();
        bans.reconfigure(next.numbers);
      };
    },
  });
  const signInLimits = new MemorySignInLimits();
  const directory: BanDirectory = {
    list: () => bans.list(),
    explain: (address) => bans.explain(address),
    standing: (of) => signInLimits.standing(counted(of), clock.monotonicMs()),
    lift: async (of: SignInSubject) => {
      if (of.kind === "network") await store.removeBans(clientNetwork(of.network));
      await signInLimits.forget(counted(of));
      const lifted = of.kind === "network" ? bans.lift(of.network) : [];
      for (const { network, service } of lifted) log.event("ban-lifted", { network, service });
      return lifted;
    },
  };
  return { bans, signInLimits, directory };
}

/** Logins are counted under the network of an address. */
function counted(of: SignInSubject): SignInSubject {
  return of.kind === "account" ? of : { kind: "network", network: clientNetwork(of.network) };
}
