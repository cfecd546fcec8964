/** Fields that several events have. */
import { number, object, optional, something, text, time } from "./event-declaration.ts";

export const client = text("The address of the client; empty: it came by a unix socket.");
export const message = text("The queue id of the message.");
export const from = text("The reverse-path of the message; empty: it is a report.");
export const reason = text("Why.");
export const setting = optional(text("The setting that decides this."));
/** Who decided on a refusal, and from what. */
export const decider = {
  rule: text("The policy that decided."),
  setting,
  setting_at: optional(text("Where that setting stands: file and line, or `default`.")),
  inputs: object("What it was decided from."),
};
export const replyCode = number("The code of the reply.");
export const hint = optional(text("What to do about it; only in development."));
export const where = text("What the server was doing.");
export const error = something("What went wrong.");
export const path = text("The file or folder.");
export const key = text("The setting.");
export const problem = text("What is wrong.");
export const domain = text("The domain.");
export const selector = text("The selector.");
export const siteKey = text("The site.");
export const status = text("The enhanced status code.");
export const by = text("Who ordered it.");
export const until = time("When it ends.");
export const count = number("How many there were since the last such line.");

/** One attempt for one recipient. */
export const attempt = {
  message,
  from,
  recipient: text("The recipient."),
  route: text("The route that was chosen, and why."),
  attempt: number("Which attempt this is."),
  duration_ms: number("Milliseconds that it took."),
  status,
  reply: text("What the other side said, or what this server found."),
  remote_host: optional(text("The name of the host.")),
  remote_address: optional(text("Its address.")),
  tls: optional(text("TLS as it was used; absent: in clear.")),
  tls_demand: optional(text("What TLS had to give, and the setting or policy that asked; absent: nothing asked.")),
  owner: optional(text("Who has to act, where it did not succeed.")),
};
