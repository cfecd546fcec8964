/**
 * What happened to a recipient and what the sender can do about it, in words that need no knowledge of mail. One sentence
 * or two for each kind of trouble, chosen by the enhanced status (RFC 3463) where it says something, and by who has to
 * act where it does not.
 */
import type { ReportedFault, ReportedRecipient } from "./report.ts";

/** Why it failed, or has failed so far, for good or for now. */
export function explainFault({ address, status, fault }: ReportedRecipient, host: string): string {
  const domain = address.slice(address.lastIndexOf("@") + 1);
  return byStatus(status.slice(status.indexOf(".") + 1), domain, fault) ?? byFault(fault, domain, host);
}

/** `code`: subject and detail. */
function byStatus(code: string, domain: string, fault: ReportedFault | undefined): string | undefined {
  // A status that blames the address beside words that blame the sending server is a server's carelessness.
  const recipientAtFault = fault === undefined || fault === "recipient";
  switch (code) {
    case "1.1":
    case "1.6":
      return recipientAtFault
        ? `There is no such address at ${domain}. Please check its spelling; it may also have changed or been closed.`
        : undefined;
    case "1.2":
      return `There is no mail server for ${domain}. Please check the spelling of what follows the @ sign.`;
    case "1.3":
      return `The address is not written as an address can be. Please check its spelling.`;
    case "1.10":
      return `${domain} does not take mail at all. Please check the spelling of what follows the @ sign.`;
    case "2.1":
      return recipientAtFault ? `The mailbox is closed and takes no mail.` : undefined;
    case "2.2":
      return recipientAtFault
        ? `The mailbox is full. Its owner has to make room before it can take new mail; you may want to tell them in another way.`
        : undefined;
    case "2.3":
    case "3.4":
      return `The message is too large. Please send it without its attachments, or with smaller ones.`;
    case "4.6":
      return `The message went round in a circle between mail servers and was stopped. Somebody has to correct how mail for this address is forwarded.`;
    case "4.1":
    case "4.2":
    case "4.4":
      return `The mail server for ${domain} could not be reached.`;
    case "4.3":
      return `The mail server for ${domain} could not be found: the directory of names did not answer.`;
    case "6.3":
      return `The mail server for ${domain} cannot take a message of this kind, and this server does not alter what you wrote. Sending it as plain text, with files attached, may help.`;
    case "6.7":
    case "6.9":
      return `The address or the message uses letters that the mail server for ${domain} cannot handle yet. Another address of the recipient, in plain Latin letters, would work.`;
    default:
      return undefined;
  }
}

function byFault(fault: ReportedFault | undefined, domain: string, host: string): string {
  switch (fault) {
    case "recipient":
      return `The mail server for ${domain} does not take mail for this address. Please check its spelling.`;
    case "our-reputation":
      return `The mail server for ${domain} does not take mail from here at present. Neither you nor the address is to blame; please send this report on to the people who run ${host}.`;
    case "our-authentication":
      return `This server could not prove to the next one that it may send this message. Please send this report on to the people who run ${host}.`;
    case "remote-trouble":
      return `The mail server for ${domain} has technical trouble.`;
    case "content":
      return `The mail server for ${domain} does not take this message because of what is in it. Its own words below may say what it objects to.`;
    case "policy":
      return `The rules of the mail server for ${domain} do not allow this message. Its own words below may say why.`;
    case "local-trouble":
      return `This server, ${host}, has technical trouble. The people who run it can help.`;
    case undefined:
      return "";
    default:
      return fault satisfies never;
  }
}
