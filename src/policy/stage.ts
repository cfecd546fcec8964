/**
 * What a policy is made of. A stage has something to say at one or several moments of a conversation: it takes facts, and
 * gives a decision, or nothing where it has nothing to say. It keeps no message and writes no log; the chain does.
 */
import type { Resolution, Target } from "../accounts/account-directory.ts";
import type { Mailbox } from "../address/mailbox.ts";
import type { ReversedRecipient } from "../address/srs.ts";
import type { HeaderSection } from "../message/header-section.ts";
import type { MessageFacts } from "../message/message-facts.ts";
import type { ReversePath } from "../smtp/envelope.ts";
import type { SenderVerdict } from "./authentication/sender-verdict.ts";
import type { Client } from "./client.ts";
import type { Acceptance, Refusal } from "./decision.ts";

/** What is known of a client at any moment. */
export interface ClientFacts {
  readonly client: Client;
  /** Nobody is asked for a login. */
  readonly development: boolean;
}

export interface ConnectFacts extends ClientFacts {
  /** What the admission said when the connection was counted, before anything was read. */
  readonly turnedAway: Refusal | undefined;
  /** The listener is there to say that this host accepts no mail (RFC 7504). */
  readonly acceptsMail: boolean;
}

export interface HelloFacts extends ClientFacts {
  readonly verb: "HELO" | "EHLO" | "LHLO";
  readonly name: string;
}

export interface MailFacts extends ClientFacts {
  readonly reversePath: ReversePath;
  /** Octets announced; 0 where they are not. */
  readonly size: number;
}

export interface RecipientFacts extends ClientFacts {
  /** The name in HELO or EHLO; "" where there was none. */
  readonly hello: string;
  readonly reversePath: ReversePath;
  readonly forwardPath: Mailbox;
  /** What a rewritten reverse-path of ours stands for; undefined: the recipient is none. */
  readonly reversed: ReversedRecipient | undefined;
  /** Where the recipient leads, or the original of a rewritten one; undefined: such an original is not known. */
  readonly resolution: Resolution | undefined;
}

/** The envelope is complete, and the content may come. */
export interface DataFacts extends ClientFacts {
  readonly reversePath: ReversePath;
  /** As they were accepted. */
  readonly recipients: readonly string[];
  /** Octets announced; 0 where they are not. */
  readonly size: number;
}

/** The content has come whole, and its header is read. */
export interface HeaderFacts extends DataFacts {
  readonly header: HeaderSection;
  readonly message: MessageFacts;
  /** Where the recipients lead. */
  readonly targets: readonly { readonly address: string; readonly domain: string }[];
  /** The client submits mail of its own. */
  readonly submits: boolean;
  /** `queue.hop_limit` */
  readonly hopLimit: number;
}

/** What DNS says of the sender is known. */
export interface ContentFacts extends HeaderFacts {
  /** Undefined: nobody asks who sent this client's mail. */
  readonly sender: SenderVerdict | undefined;
}

/** Each moment at which stages are asked, with what is known then. */
export interface Moments {
  readonly connect: ConnectFacts;
  readonly hello: HelloFacts;
  readonly mail: MailFacts;
  readonly recipient: RecipientFacts;
  readonly data: DataFacts;
  readonly header: HeaderFacts;
  readonly content: ContentFacts;
}

export type Moment = keyof Moments;

/** All that a stage may change. */
export type Change =
  /** A whole field, CRLF-ended, stands above the message as it came. From `header` on. */
  | { readonly kind: "add-field"; readonly field: string }
  /** It goes to Junk. From `header` on. */
  | { readonly kind: "quarantine" }
  /** The mail of a recipient goes there. At `recipient`. */
  | { readonly kind: "set-recipients"; readonly targets: readonly Target[] }
  /** It waits until an operator releases it. From `recipient` on. */
  | { readonly kind: "hold"; readonly by: string; readonly reason: string };

export type StageAnswer = Refusal | (Acceptance & { readonly changes?: readonly Change[] }) | undefined;

/** May answer later, where it has to ask someone. */
export type Ask<At extends Moment> = (facts: Moments[At]) => StageAnswer | Promise<StageAnswer>;

export type StageAsks = { readonly [At in Moment]?: Ask<At> };

export interface Stage extends StageAsks {
  /** Its name in logs and histories. */
  readonly rule: string;
}

/** Of several changes of one kind the last one counts. */
export function lastChange<Kind extends Change["kind"]>(
  changes: readonly Change[],
  kind: Kind,
): Extract<Change, { readonly kind: Kind }> | undefined {
  return changes.findLast((change): change is Extract<Change, { readonly kind: Kind }> => change.kind === kind);
}
