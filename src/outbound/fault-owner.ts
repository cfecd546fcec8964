/**
 * Who has to act when a server refused something: read from its enhanced status, and where that is missing or too
 * coarse, from the words that servers use. Only a fault of the recipient may ever suppress an address, so that verdict
 * needs evidence; without any, a refusal is the other side's policy.
 */
import type { FaultOwner } from "../dsn/report.ts";
import { replyText, type ReceivedReply } from "../smtp/reply-reader.ts";

/** Words of blocklists and reputation systems; they win over a status, which is often a plain 5.1.1 or 5.2.1 beside them. */
const reputationWords =
  /spam|block(?:ed|list)|black ?list|block ?list|reputation|\bdnsbl\b|\brbl\b|spamhaus|barracuda|sorbs|senderscore|unsolicited|rate.?limit|too many (?:connections|messages)|throttl|poor sender|\bspf\b|\bdkim\b|\bdmarc\b|reverse dns|\bptr\b|unauthenticated/i;
const recipientWords =
  /user unknown|unknown user|no such (?:user|recipient|mailbox|address|person)|(?:user|mailbox|recipient|address|account)[^.;]{0,60}(?:not found|not exist|doesn'?t exist|unknown|disabled|inactive|unavailable|full)|invalid (?:recipient|mailbox|user)|unknown (?:recipient|mailbox|address)|over ?quota|quota exceeded|mailbox (?:is )?full|not a valid (?:recipient|mailbox|user)/i;
const authenticationWords = /authenticat(?:ion|e) (?:is )?(?:required|failed|needed)|log ?in|credential/i;
const relayingWords = /relay/i;
/** Yahoo's 5.7.9 for mail that fails DMARC; the registry's is about a login (RFC 4954 §6). */
const policyWords = /policy reasons/i;
/** Exchange Online's 5.4.1 for a recipient that its directory does not know. */
const unknownToDirectory = /recipient address rejected: access denied/i;

export function faultOwner(reply: ReceivedReply, command: string): FaultOwner {
  const text = replyText(reply);
  if ([530, 534, 535, 538].includes(reply.code) || command === "AUTH") return "our-authentication";
  if (reputationWords.test(text)) return "our-reputation";
  const byStatus = reply.status === undefined ? undefined : ownerByStatus(reply.status, text);
  return byStatus ?? ownerByWords(reply, command, text);
}

/** Subjects and details of RFC 3463 §3, and of the registry that RFC 5248 began. */
function ownerByStatus(status: string, text: string): FaultOwner | undefined {
  const [, subject = "", detail = ""] = status.split(".");
  switch (subject) {
    case "1":
      // 7, 8 and 9 speak of the sender's address.
      return ["7", "8", "9"].includes(detail) ? "policy" : "recipient";
    case "2":
      return detail === "3" ? "content" : "recipient";
    case "3":
      return detail === "4" ? "content" : "remote-trouble";
    case "4":
      return unknownToDirectory.test(text) ? "recipient" : "remote-trouble";
    case "5":
      return "remote-trouble";
    case "6":
      return "content";
    case "7":
      if (policyWords.test(text)) return "our-reputation";
      if (["8", "9", "11", "12", "13", "14"].includes(detail)) return "our-authentication";
      return relayingWords.test(text) ? "policy" : "our-reputation";
    default:
      return undefined;
  }
}

function ownerByWords(reply: ReceivedReply, command: string, text: string): FaultOwner {
  if (authenticationWords.test(text)) return "our-authentication";
  if (relayingWords.test(text)) return "policy";
  if (command === "RCPT" && (recipientWords.test(text) || reply.code === 556)) return "recipient";
  if (reply.code < 500) return "remote-trouble";
  return command === "end of data" || command === "BDAT" || command === "DATA" ? "content" : "policy";
}
