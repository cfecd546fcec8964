/**
 * Delivery into Maildirs: write in `tmp`, fsync, rename into `new`, fsync the directory; only then is it delivered. The
 * file's name follows from the queue id, so an attempt repeated after a crash finds its own earlier copy as long as
 * no mail program has moved it.
 *
 * Mail that is marked as junk goes into the folder Junk (`.Junk`, as Maildir++ and the servers that read it have it),
 * which is made with its marker file. Whether a mail program shows it is up to its subscriptions, which are not ours.
 */
import { createHash } from "node:crypto";
import { localPartKey } from "../address/mailbox-text.ts";
import { asciiLowerCase, asciiUpperCase } from "../lib/ascii-case.ts";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import { keepNewest } from "../lib/newest.ts";
import { FileError } from "../ports/files.ts";
import type { Log } from "../ports/log.ts";
import type { DeliveryAgent, DeliveryJob, DeliveryResult } from "../queue/delivery-agent.ts";
import { logFault, outcomeOfFault } from "../queue/fault-outcome.ts";
import type { StoredRecipient } from "../spool/spool.ts";
import { finalContent } from "./final-content.ts";
import type { MaildirContent, MaildirStore } from "./maildir-store.ts";

export interface MaildirSettings {
  /** Last part of file names, as Maildir readers expect. */
  readonly hostname: string;
}

export class MaildirDelivery implements DeliveryAgent {
  readonly #store: MaildirStore;
  readonly #log: Log;
  readonly #hostname: string;
  /** Maildirs known to exist, so that they are made once. */
  readonly #prepared = new Map<string, true>();

  constructor(dependencies: { readonly store: MaildirStore; readonly log: Log }, settings: MaildirSettings) {
    this.#store = dependencies.store;
    this.#log = dependencies.log;
    // A name has room for 255 octets, and the queue id and the time stand before this.
    this.#hostname = settings.hostname.replaceAll(/[/:]/g, "_").slice(0, 200);
  }

  async deliver(job: DeliveryJob, { signal }: { readonly signal: AbortSignal }): Promise<DeliveryResult> {
    const outcomes = [];
    for (const recipient of job.recipients) {
      const outcome = signal.aborted
        ? deferred("4.3.2", "the server is stopping")
        : await this.#deliverOne(job, recipient);
      outcomes.push({ index: recipient.index, outcome });
    }
    return { outcomes };
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #deliverOne(job: DeliveryJob, recipient: StoredRecipient): Promise<DeliveryOutcome> {
    if (job.hop.kind !== "maildir") throw new Error(`a ${job.hop.kind} hop came to the Maildir agent`);
    const { message } = job;
    if (message.facts.deliveredTo.includes(asciiLowerCase(recipient.address))) {
      // Its own Delivered-To says that this mailbox had it before: something sends it round.
      return {
        kind: "bounced",
        status: "5.4.6",
        owner: "local-trouble",
        reason: `mail forwarding loop for ${recipient.address}`,
      };
    }
    const inbox = maildirPath(job.hop.path, recipient.address);
    const maildir = message.junk === true ? `${inbox}/${junkFolder}` : inbox;
    try {
      await this.#put(inbox, maildir, job, recipient);
    } catch (error) {
      // Whatever it was, it is this recipient's: who has the message already does not get it again.
      logFault(this.#log, maildir, message.id, error);
      return error instanceof FileError ? outcomeOfFileError(error) : outcomeOfFault(error);
    }
    return {
      kind: "delivered",
      status: "2.0.0",
      diagnostic: { type: "x-posthaste", text: `delivered to Maildir ${maildir}` },
    };
  }

  async #put(inbox: string, folder: string, job: DeliveryJob, recipient: StoredRecipient): Promise<void> {
    const { message } = job;
    const name = `${Math.floor(message.receivedAt / 1000)}.${message.id}_${recipient.index}.${this.#hostname}`;
    // Content with line ends of its own would not survive the conversion.
    const lineEnds = message.facts.binary ? "crlf" : "lf";
    const content: MaildirContent = {
      size: message.size,
      async *chunks() {
        await using stored = await job.openContent();
        yield* finalContent(message, stored, { deliveredTo: recipient.address, lineEnds });
      },
    };
    try {
      await this.#store.put({ inbox, folder, name, isKnown: this.#prepared.has(folder) }, content);
    } catch (error) {
      this.#prepared.delete(folder);
      throw error;
    }
    keepNewest(this.#prepared, folder, true, preparedMax);
  }
}

const junkFolder = ".Junk";
/** Strangers choose the names where a domain takes any recipient: paths of 400 octets at most, 4 MB. */
const preparedMax = 10_000;

/**
 * The recipient's Maildir: `{user}` is the local-part before any `+tag`, `{domain}` its domain, `{address}` both, in the
 * form in which users are found: composed and in lower case. What could leave the folder or confuse a shell is
 * percent-encoded.
 */
export function maildirPath(template: string, address: string): string {
  const at = address.lastIndexOf("@");
  const local = (at === -1 ? address : address.slice(0, at)).replace(/^"([\s\S]*)"$/, "$1").replaceAll(/\\(.)/g, "$1");
  const tag = local.indexOf("+");
  const user = safe(tag > 0 ? local.slice(0, tag) : local);
  const domain = safe(at === -1 ? "" : address.slice(at + 1));
  const parts = { user, domain, address: domain === "" ? user : `${user}@${domain}` };
  // In one pass: a local-part that looks like a placeholder is not replaced again.
  const path = template.replaceAll(/\{(user|domain|address)\}/g, (_, name: keyof typeof parts) => parts[name]);
  return path.length <= nameBytesMax / 3 ? path : path.split("/").map(shortName).join("/");
}

/** What file systems have room for in one name; a character has three octets at most, or four in two of UTF-16. */
const nameBytesMax = 255;

/** A long name becomes its beginning and a hash; no other name has that `~`, which is encoded. */
function shortName(name: string): string {
  if (Buffer.byteLength(name) <= nameBytesMax) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 32);
  let kept = 0;
  let octets = 0;
  for (const character of name) {
    octets += Buffer.byteLength(character);
    if (octets > nameBytesMax - 1 - hash.length) break;
    kept += character.length;
  }
  return `${name.slice(0, kept)}~${hash}`;
}

function safe(part: string): string {
  const encoded = localPartKey(part).replaceAll(/[\u0000-\u001f\u007f/\\%~]/g, (character) => encodeOctet(character));
  return encoded.replace(/^\.+/, (dots) => dots.replaceAll(".", "%2E")) || "_";
}

function encodeOctet(character: string): string {
  return `%${asciiUpperCase(character.charCodeAt(0).toString(16)).padStart(2, "0")}`;
}

function outcomeOfFileError(error: FileError): DeliveryOutcome {
  switch (error.code) {
    case "EDQUOT":
      // RFC 3463 §3.3: a full mailbox may be emptied; the mail waits.
      return deferred("4.2.2", "the mailbox is full: it has reached its quota");
    case "ENOSPC":
      return deferred("4.3.1", "the disk that holds the mailboxes is full");
    case "ENAMETOOLONG": {
      const reason = "the address is too long for the name of a mailbox folder";
      return { kind: "bounced", status: "5.1.3", owner: "local-trouble", reason };
    }
    default:
      return deferred("4.3.0", `the mailbox could not be written (${error.code})`);
  }
}

function deferred(status: "4.2.2" | "4.3.0" | "4.3.1" | "4.3.2", reason: string): DeliveryOutcome {
  return {
    kind: "deferred",
    status,
    owner: status === "4.2.2" ? "recipient" : "local-trouble",
    reason,
    diagnostic: { type: "x-posthaste", text: reason },
  };
}
