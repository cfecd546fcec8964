/** Builds the facts that are kept with a message, once, when its content has arrived. */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { withoutComments } from "./comments.ts";
import type { ContentFindings } from "./content-scanner.ts";
import { decodeEncodedWords } from "./encoded-word.ts";
import type { HeaderField, HeaderSection } from "./header-section.ts";
import type { MessageFacts } from "./message-facts.ts";
import { isReceivedBy } from "./received-field.ts";
import { withoutControls } from "../lib/printable-text.ts";

/** Facts are stored with every message and told in its events; longer texts serve nobody there. */
const textLengthMax = 998;
/** A loop adds one field a round and is over long before the hop limit; more than that is forged. */
const deliveredToMax = 200;

export interface FactsInput {
  /** As it will be stored: after the edits of a submission. */
  readonly header: HeaderSection;
  readonly findings: ContentFindings;
  /** MAIL had BODY=BINARYMIME. */
  readonly declaredBinary?: boolean;
  /** Our name, as our Received fields tell it. */
  readonly hostName: string;
}

export function buildFacts({ header, findings, declaredBinary = false, hostName }: FactsInput): MessageFacts {
  let receivedCount = 0;
  let ownReceivedCount = 0;
  let autoSubmitted = false;
  const deliveredTo: string[] = [];
  let subject: HeaderField | undefined;
  let messageId: HeaderField | undefined;
  let from: HeaderField | undefined;
  const tlsRequired: string[] = [];
  for (const field of header.fields) {
    switch (field.name) {
      case "received":
        receivedCount++;
        if (isReceivedBy(field.value, hostName)) ownReceivedCount++;
        break;
      case "auto-submitted":
        autoSubmitted ||= isAutoSubmitted(field.value);
        break;
      case "delivered-to":
        if (deliveredTo.length < deliveredToMax) deliveredTo.push(bareAddress(field.value));
        break;
      case "subject":
        subject ??= field;
        break;
      case "message-id":
        messageId ??= field;
        break;
      case "from":
        from ??= field;
        break;
      case "tls-required":
        // Two are enough to see that it is there more than once.
        if (tlsRequired.length < 2) tlsRequired.push(asciiLowerCase(withoutComments(field.value).trim()));
        break;
      default:
        break;
    }
  }
  return {
    receivedCount,
    ownReceived: ownReceivedCount > 0,
    ...(ownReceivedCount > 0 && { ownReceivedCount }),
    autoSubmitted,
    deliveredTo,
    utf8Header: findings.utf8Header,
    eightBit: findings.eightBit,
    binary: findings.bareLineEnd || (declaredBinary && (findings.nul || findings.longLine)),
    ...(findings.longLine && { longLines: true }),
    // RFC 8689 §4.1: a field that is there more than once, or says something else, asks for nothing.
    ...(tlsRequired.length === 1 && tlsRequired[0] === "no" && { tlsOptional: true }),
    ...(subject && { subject: forPeople(subject) }),
    ...(messageId && { messageId: messageId.value.slice(0, textLengthMax) }),
    ...(from && { from: forPeople(from) }),
  };
}

/** RFC 3834 §5: every keyword but `no`; parameters and comments may follow it. */
function isAutoSubmitted(value: string): boolean {
  const keyword = asciiLowerCase(withoutComments(value).split(";", 1)[0]?.trim() ?? "");
  return keyword !== "" && keyword !== "no";
}

function bareAddress(value: string): string {
  return asciiLowerCase(value.replace(/^<(.*)>$/s, "$1").slice(0, textLengthMax));
}

/** Decoded and on one line, without control characters; what else is unsafe to show is made safe where it is shown. */
function forPeople(field: HeaderField): string {
  return withoutControls(decodeEncodedWords(field.value.slice(0, textLengthMax * 4)), " ").slice(0, textLengthMax);
}
