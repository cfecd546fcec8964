/**
 * What happened to a recipient and what the sender can do about it, in words that need no knowledge of mail. One sentence
 * or two for each kind of trouble, chosen by the enhanced status (RFC 3463) where it says something, and by who has to
 * act where it does not.
 */
import type { FaultOwner, ReportedRecipient } from "./report.ts";

/** Why delivery failed, permanently or so far. */
export function explainFault({ address, status, fault }: ReportedRecipient, host: string): string {
  const domain = address.slice(address.lastIndexOf("@") + 1);
  return byStatus(status.slice(status.indexOf(".") + 1), domain, fault) ?? byFault(fault, domain, host);
}

/** `code`: subject and detail. */
function byStatus(code: string, domain: string, fault: FaultOwner | undefined): string | undefined {
  // A status that blames the address beside words that blame the sending server is a server's carelessness.
  const recipientAtFault = fault === undefined || fault === "recipient";
  switch (code) {
    case "1.1":
    case "1.6":
      return recipientAtFault
        ? `There is no such address at ${domain}. Please check the spelling. The address may also have been changed or closed.`
        : undefined;
    case "1.2":
      return `There is no mail server for ${domain}. Please check the spelling of the part after the @ sign.`;
    case "1.3":
      return `This is not a valid email address. Please check the spelling.`;
    case "1.10":
      return `${domain} does not accept mail. Please check the spelling of the part after the @ sign.`;
    case "2.1":
      return recipientAtFault ? `The recipient's mailbox is disabled and does not accept mail.` : undefined;
    case "2.2":
      return recipientAtFault
        ? `The recipient's mailbox is full. It cannot accept new mail until the recipient deletes some messages. You may want to contact the recipient in another way.`
        : undefined;
    case "2.3":
    case "3.4":
      return `The message is too large. Please send it without attachments, or with smaller ones.`;
    case "4.6":
      return `The message was caught in a mail loop: mail servers kept passing it back and forth. An administrator has to correct how mail for this address is forwarded.`;
    case "4.1":
    case "4.2":
    case "4.4":
      return `The mail server for ${domain} could not be reached.`;
    case "4.3":
      return `The mail server for ${domain} could not be found because the DNS lookup failed.`;
    case "6.3":
      return `The mail server for ${domain} does not accept messages in this format, and this server does not convert them. It may help to send the message as plain text with the files attached.`;
    case "6.7":
    case "6.9":
      return `The address or the message contains characters that the mail server for ${domain} does not support. If the recipient has an address in plain Latin letters, please use that one.`;
    default:
      return undefined;
  }
}

function byFault(fault: FaultOwner | undefined, domain: string, host: string): string {
  switch (fault) {
    case "recipient":
      return `The mail server for ${domain} does not accept mail for this address. Please check the spelling.`;
    case "our-reputation":
      return `The mail server for ${domain} currently does not accept mail from this server. The cause is neither you nor the address. Please forward this report to the administrator of ${host}.`;
    case "our-authentication":
      return `The next mail server could not verify that this server may send the message. Please forward this report to the administrator of ${host}.`;
    case "remote-trouble":
      return `The mail server for ${domain} has a technical problem.`;
    case "content":
      return `The mail server for ${domain} does not accept this message because of its content. The server's reply below may explain why.`;
    case "policy":
      return `The policy of the mail server for ${domain} does not allow this message. The server's reply below may explain why.`;
    case "local-trouble":
      return `This mail server, ${host}, has a technical problem. Its administrator can help.`;
    case undefined:
      return "";
    default:
      return fault satisfies never;
  }
}
