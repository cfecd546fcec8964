/**
 * Defers the first mail of clients that look bad, and of nobody else: spamming programs rarely try again, mail servers do.
 * A client looks bad without a confirmed reverse name, without an SPF pass, or with entries in DNS lists. DNS trouble makes
 * nobody look bad.
 */
import { parseIpAddress } from "../../address/ip-address.ts";
import { clientNetwork } from "../../accounts/client-network.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { whenReady } from "../../lib/when-ready.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { checkSender } from "../../spf/spf.ts";
import { LimitedResolver } from "../authentication/limited-resolver.ts";
import { checkReverseDns } from "../authentication/reverse-dns.ts";
import type { Blocklists } from "../blocklists/blocklists.ts";
import { sendsOwnMail } from "../client.ts";
import { refuse } from "../decision.ts";
import { networkKey } from "../network-key.ts";
import type { RecipientFacts, Stage } from "../stage.ts";
import type { Greylist } from "./greylist.ts";
import type { GreylistingSettings } from "./settings.ts";

/** The look-ups are those that the checks of the content make again, out of the resolver's memory. */
const patienceMs = 10_000;

export interface Greylisting {
  readonly settings: () => GreylistingSettings;
  readonly greylist: Pick<Greylist, "waitOf">;
  readonly blocklists: Pick<Blocklists, "find">;
  readonly resolver: Resolver;
  readonly clock: Pick<Clock, "now" | "setTimer">;
}

interface Judgement {
  readonly key: string;
  /** Empty: the client does not look bad. */
  readonly faults: readonly string[];
}

export function greylistingStage(greylisting: Greylisting): Stage {
  const { settings, greylist } = greylisting;
  /** One for each transaction: all its recipients have the same sender. */
  const judgements = new WeakMap<object, Promise<Judgement>>();
  return {
    rule: "greylisting",
    recipient: (facts) => {
      if (!settings().enabled || !isStranger(facts)) return undefined;
      const transaction = facts.reversePath ?? facts.client;
      const judged = judgements.get(transaction) ?? judge(greylisting, facts);
      judgements.set(transaction, judged);
      return whenReady(judged, ({ key, faults }) => {
        const waitMs = faults.length === 0 ? 0 : greylist.waitOf(key);
        if (waitMs === 0) return undefined;
        return refuse("greylisted", { seconds: Math.ceil(waitMs / 1000), because: faults.join(", "), sender: key });
      });
    },
  };
}

function isStranger({ client, development, forwardPath }: RecipientFacts): boolean {
  const isPublic = networkKey(client.address) !== undefined && client.listener === "mx";
  return isPublic && !development && !sendsOwnMail(client) && !/^postmaster$/i.test(forwardPath.localPart);
}

async function judge(
  { settings, blocklists, resolver: dns, clock }: Greylisting,
  { client: { address }, hello, reversePath }: RecipientFacts,
): Promise<Judgement> {
  const client = networkKey(address);
  const resolver = new LimitedResolver(dns, { ...(client !== undefined && { client }) });
  resolver.giveUpAfter(patienceMs, clock);
  const query = { clientAddress: address, hello, reversePath, withHelo: false };
  const [{ mailfrom: spf }, reverse, { score }] = await Promise.all([
    checkSender(query, { resolver, now: clock.now() }),
    checkReverseDns(address, { resolver }),
    blocklists.find({ clientAddress: address, domain: reversePath?.domain }),
  ]);
  resolver.done();
  const domain = asciiLowerCase(spf.domain).slice(0, domainMax);
  return {
    key: spf.result === "pass" ? `spf ${domain}` : `${widerNetwork(address)} ${domain}`,
    faults: [
      ...(reverse.result === "fail" || reverse.result === "permerror" ? ["no confirmed reverse name"] : []),
      ...(spf.result === "pass" || spf.result === "temperror" ? [] : [`SPF ${spf.result}`]),
      ...(score >= settings().list_score ? [`DNS lists ${score}`] : []),
    ],
  };
}

/** RFC 1035 §2.3.4; what a client says in EHLO may be longer. */
const domainMax = 253;

/** Senders with several servers try again from a neighbouring address: an IPv4 /24, or an IPv6 /64. */
function widerNetwork(address: string): string {
  const parsed = parseIpAddress(address);
  return parsed?.family === 4 ? `${parsed.text.replace(/\.\d+$/, ".0")}/24` : clientNetwork(address);
}
