/**
 * What is done with a message's content besides storing it: senders are checked, our own mail is signed, mail that leads
 * on is sealed. All of it shares one pass over the content, begins when the header section is complete, and ends before
 * the commit. For a client whose mail gets none of it nothing is made, and the path stays synchronous.
 */
import { BodyHashes } from "../dkim/body-hashes.ts";
import { readClaimedDomains } from "../dmarc/author-domain.ts";
import type { ForwardedCopy, PendingForward } from "../forwarding/forwarding.ts";
import type { HeaderSection } from "../message/header-section.ts";
import type {
  EnvelopeChecks,
  PendingAuthentication,
  SenderEnvelope,
} from "../policy/authentication/sender-authentication.ts";
import type { SenderVerdict } from "../policy/authentication/sender-verdict.ts";
import type { Refusal } from "../policy/decision.ts";
import { checkForwardedAuthor, checkUncheckedAuthor } from "../policy/forwarded-author.ts";
import type { Change } from "../policy/stage.ts";
import type { Log } from "../ports/log.ts";
import type { PendingSignatures } from "../signing/message-signing.ts";
import type { QueueId } from "../spool/queue-id.ts";
import type { Envelope } from "./envelope.ts";
import type { Origin } from "./origin.ts";
import type { IntakeServices } from "./services.ts";
import { evaluationNote, logVerdict } from "./verdict-notes.ts";

/** What the checks add to a message that is taken. */
export interface ContentAdditions {
  /** What policies want changed. */
  readonly changes?: readonly Change[];
  readonly verdict?: SenderVerdict;
  /** Whole header fields, on top of all others; "" where the mail is not signed. */
  readonly signatures: string;
  readonly forwarded?: ForwardedCopy;
}

/** `undefined`: nothing is to be done besides storing. `hold` counts octets that are kept as long as the message. */
export function contentChecks(services: ContentCheckServices, message: CheckedMessage): ContentChecks | undefined {
  const { origin, envelope } = message;
  // Whoever is trusted to send through us is not asked who sent it.
  const checks = origin.trust === "stranger" && services.authentication?.enabled === true;
  const signs = services.signing !== undefined && signedFor.has(origin.trust);
  const forwards = services.forwarding !== undefined && envelope.forwardingDomain !== undefined;
  return checks || signs || forwards ? new ContentChecks(services, message, { checks, signs, forwards }) : undefined;
}

const signedFor: ReadonlySet<Origin["trust"]> = new Set(["submitter", "relay", "ourselves"]);

export type ContentCheckServices = Pick<IntakeServices, "authentication" | "signing" | "forwarding" | "evaluations">;

export interface CheckedMessage {
  readonly id: QueueId;
  readonly origin: Origin;
  readonly envelope: Envelope;
  /** Ours. */
  readonly hostname: string;
  /** Counts octets that are kept as long as the message; false: there is no room for them. */
  readonly hold: (octets: number) => boolean;
}

interface WantedChecks {
  readonly checks: boolean;
  readonly signs: boolean;
  readonly forwards: boolean;
}

export class ContentChecks {
  readonly #services: ContentCheckServices;
  readonly #message: CheckedMessage;
  readonly #wanted: WantedChecks;
  readonly #envelope: EnvelopeChecks | undefined;
  #authentication: PendingAuthentication | undefined;
  #signatures: PendingSignatures | undefined;
  #forward: PendingForward | undefined;
  #received: HeaderSection | undefined;

  /** Begins what can be asked before the content comes. */
  constructor(services: ContentCheckServices, message: CheckedMessage, wanted: WantedChecks) {
    this.#services = services;
    this.#message = message;
    this.#wanted = wanted;
    if (wanted.checks) this.#envelope = services.authentication?.beginEnvelope(envelopeOf(message));
  }

  /** A stranger's: who sent it is to be found out from what came, not from what is stored. */
  get judgesSender(): boolean {
    return this.#envelope !== undefined;
  }

  /** The header section as it came and as it will be stored. What follows it goes into the hashes. */
  headerComplete(received: HeaderSection, stored: HeaderSection): BodyHashes {
    const bodies = new BodyHashes();
    const { signing, forwarding } = this.#services;
    const { signs, forwards } = this.#wanted;
    if (this.#envelope !== undefined) this.#authentication = this.#envelope.begin(received, bodies);
    if (signs) this.#signatures = signing?.begin(stored, bodies);
    if (forwards) this.#forward = forwarding?.begin(stored, bodies);
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

  logVerdict(log: Log, verdict: SenderVerdict): void {
    const { origin, id, envelope } = this.#message;
    logVerdict(log, { client: origin.facts.clientAddress ?? "", id, from: envelope.reversePathText }, verdict);
  }

  /** For the aggregate reports, once it is certain that the message counts. */
  noteVerdict(verdict: SenderVerdict): void {
    const { evaluations } = this.#services;
    const { origin, envelope } = this.#message;
    if (evaluations === undefined || this.#received === undefined) return;
    const client = clientAddressOf(origin);
    // A domain's owner could do nothing with a report about a local address.
    if (client === "" && origin.facts.clientAddress !== undefined) return;
    evaluations.note(evaluationNote(client, envelope, this.#received, verdict));
  }

  /** Whether it may lead on from here, with what was found. `undefined`: it may. */
  async refusalToForward({ verdict, forwarded }: ContentAdditions): Promise<Refusal | undefined> {
    if (forwarded === undefined || this.#message.origin.trust !== "stranger") return undefined;
    if (this.#received === undefined) throw new Error("nothing is forwarded before its header is read");
    const mail = {
      claims: readClaimedDomains(this.#received),
      reversePath: forwarded.form.reversePath,
      hostname: this.#message.hostname,
    };
    if (this.#envelope === undefined || verdict === undefined) {
      return checkUncheckedAuthor({
        ...mail,
        forwardingDomain: this.#message.envelope.forwardingDomain ?? mail.hostname,
      });
    }
    return await checkForwardedAuthor(verdict, mail, this.#envelope.ports);
  }

  /** For a message that will be taken. */
  async additions(verdict: SenderVerdict | undefined): Promise<ContentAdditions> {
    const [signatures = "", forwarded] = await Promise.all([
      this.#signatures?.finish(),
      this.#forward?.finish({
        reversePath: this.#message.envelope.reversePathText,
        domain: this.#message.envelope.forwardingDomain ?? "",
        results: verdict?.results ?? "; none",
        ...(verdict !== undefined && { arc: verdict.arc }),
      }),
    ]);
    return {
      signatures,
      ...(verdict !== undefined && { verdict }),
      ...(forwarded !== undefined && { forwarded }),
    };
  }
}

/** "": it is not known, or is hidden by something that stands between. */
function clientAddressOf(origin: Origin): string {
  const hidden = "client" in origin && origin.client.hidden === true;
  return hidden ? "" : (origin.facts.clientAddress ?? "");
}

function envelopeOf({ origin, envelope: { reversePath }, hold }: CheckedMessage): SenderEnvelope {
  const { facts } = origin;
  return {
    client: { address: clientAddressOf(origin), hello: facts.hello ?? "" },
    reversePath: reversePath === null ? null : { localPart: reversePath.localPart, domain: reversePath.domainKey },
    hold,
  };
}
