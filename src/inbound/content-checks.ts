/**
 * What is done with a message's content besides storing it: senders are checked, our own mail is signed, mail that leads
 * on is sealed. All of it shares one pass over the content, begins when the header section is complete, and ends before
 * the commit. For a client whose mail gets none of it nothing is made, and the path stays synchronous.
 */
import { BodyHashes } from "../dkim/body-hashes.ts";
import { readClaimedDomains } from "../dmarc/author-domain.ts";
import type { ForwardedCopy, PendingForward } from "../forwarding/forwarding.ts";
import { isLoopback } from "../lib/ip-network.ts";
import type { HeaderSection } from "../message/header-section.ts";
import type {
  EnvelopeChecks,
  PendingAuthentication,
  SenderEnvelope,
} from "../policy/authentication/sender-authentication.ts";
import type { SenderVerdict } from "../policy/authentication/sender-verdict.ts";
import { isSubmission } from "../policy/client.ts";
import type { Decision } from "../policy/decision.ts";
import { checkForwardedAuthor, checkUncheckedAuthor } from "../policy/forwarded-author.ts";
import type { PendingSignatures } from "../signing/message-signing.ts";
import type { QueueId } from "../spool/queue-id.ts";
import type { SessionState } from "./session-state.ts";
import type { Transaction } from "./transaction.ts";
import { evaluationNote, logVerdict } from "./verdict-notes.ts";

/** What the checks add to a message that is taken. */
export interface ContentAdditions {
  readonly verdict?: SenderVerdict;
  /** Whole header fields, on top of all others; "" where the mail is not signed. */
  readonly signatures: string;
  readonly forwarded?: ForwardedCopy;
}

/** `undefined`: nothing is to be done besides storing. */
export function contentChecks(state: SessionState, transaction: Transaction): ContentChecks | undefined {
  const { services } = state;
  const checks = isChecked(state);
  const signs = services.signing !== undefined && (isSubmission(state.client) || state.client.relayNetwork);
  const forwards = services.forwarding !== undefined && transaction.forwardingDomain !== undefined;
  return checks || signs || forwards ? new ContentChecks(state, transaction, { checks, signs, forwards }) : undefined;
}

/** Strangers only: whoever is trusted to send through us is not asked who sent it. */
export function isChecked({ services, listener, client }: SessionState): boolean {
  if (services.authentication === undefined || !isStranger({ listener, client })) return false;
  return services.authentication.enabled;
}

/** A client of a public listener, of whom nothing is known. Programs under development talk over loopback. */
export function isStranger({ listener, client }: Pick<SessionState, "listener" | "client">): boolean {
  if (client.listener !== "mx" || client.relayNetwork || client.login !== undefined || client.address === "") {
    return false;
  }
  return listener.development === undefined || !isLoopback(client.address);
}

const leadsNowhereElse: Decision = { verdict: "accept", reason: "not-forwarded" };
const trustedClient: Decision = { verdict: "accept", reason: "trusted-client" };

interface WantedChecks {
  readonly checks: boolean;
  readonly signs: boolean;
  readonly forwards: boolean;
}

export class ContentChecks {
  readonly #state: SessionState;
  readonly #transaction: Transaction;
  readonly #wanted: WantedChecks;
  readonly #envelope: EnvelopeChecks | undefined;
  #authentication: PendingAuthentication | undefined;
  #signatures: PendingSignatures | undefined;
  #forward: PendingForward | undefined;
  #received: HeaderSection | undefined;

  /** Begins what can be asked before the content comes. */
  constructor(state: SessionState, transaction: Transaction, wanted: WantedChecks) {
    this.#state = state;
    this.#transaction = transaction;
    this.#wanted = wanted;
    if (wanted.checks) this.#envelope = state.services.authentication?.beginEnvelope(envelopeOf(state, transaction));
  }

  /** A stranger's: who sent it is to be found out from what came, not from what is stored. */
  get judgesSender(): boolean {
    return this.#envelope !== undefined;
  }

  /** The header section as it came and as it will be stored. What follows it goes into the hashes. */
  headerComplete(received: HeaderSection, stored: HeaderSection): BodyHashes {
    const bodies = new BodyHashes();
    const { services } = this.#state;
    const { signs, forwards } = this.#wanted;
    if (this.#envelope !== undefined) this.#authentication = this.#envelope.begin(received, bodies);
    if (signs) this.#signatures = services.signing?.begin(stored, bodies);
    if (forwards) this.#forward = services.forwarding?.begin(stored, bodies);
    this.#received = received;
    return bodies;
  }

  /** Whether there is something to wait for or to add: nobody need be asked about a message that no key signs. */
  get areNeeded(): boolean {
    return this.#authentication !== undefined || this.#signatures !== undefined || this.#forward !== undefined;
  }

  /** Whether the sender may send this; after the content. `undefined`: nobody was asked. */
  verdict(): Promise<SenderVerdict> | undefined {
    return this.#authentication?.finish();
  }

  logVerdict(id: QueueId, verdict: SenderVerdict): void {
    logVerdict(this.#state, id, this.#transaction, verdict);
  }

  /** For the aggregate reports, once it is certain that the message counts. */
  noteVerdict(verdict: SenderVerdict): void {
    const { evaluations } = this.#state.services;
    if (evaluations === undefined || this.#received === undefined) return;
    evaluations.note(evaluationNote(this.#state, this.#transaction, this.#received, verdict));
  }

  /** Whether it may lead on from here, with what was found. */
  async forwardedDecision({ verdict, forwarded }: ContentAdditions): Promise<Decision> {
    if (forwarded === undefined) return leadsNowhereElse;
    if (!isStranger(this.#state)) return trustedClient;
    if (this.#received === undefined) throw new Error("nothing is forwarded before its header is read");
    const mail = {
      claims: readClaimedDomains(this.#received),
      reversePath: forwarded.form.reversePath,
      hostname: this.#state.settings.hostname,
    };
    if (this.#envelope === undefined || verdict === undefined) {
      return checkUncheckedAuthor({ ...mail, forwardingDomain: this.#transaction.forwardingDomain ?? mail.hostname });
    }
    return await checkForwardedAuthor(verdict, mail, this.#envelope.ports);
  }

  /** For a message that will be taken. */
  async additions(verdict: SenderVerdict | undefined): Promise<ContentAdditions> {
    const [signatures = "", forwarded] = await Promise.all([
      this.#signatures?.finish(),
      this.#forward?.finish({
        reversePath: this.#transaction.reversePathText,
        domain: this.#transaction.forwardingDomain ?? "",
        results: verdict?.results ?? "; none",
        ...(verdict === undefined ? undefined : { arc: verdict.arc }),
      }),
    ]);
    return {
      signatures,
      ...(verdict === undefined ? undefined : { verdict }),
      ...(forwarded === undefined ? undefined : { forwarded }),
    };
  }
}

function envelopeOf({ client, hello, memory }: SessionState, { reversePath }: Transaction): SenderEnvelope {
  return {
    client: { address: client.address, hello: hello?.name ?? "" },
    reversePath: reversePath === null ? null : { localPart: reversePath.localPart, domain: reversePath.domainKey },
    hold: (octets) => memory.holdContent(octets),
  };
}
