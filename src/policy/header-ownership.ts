/**
 * Whether a submitted message may say it is from whom it says (RFC 6409 §6.1, RFC 5322 §3.6.2): every author belongs to the
 * login, or at least one does and Sender names the login. Mail programs show the first author, so with several the one who
 * really sent must stand somewhere. A From field that cannot be read is refused, since nobody can say whom it names (RFC
 * 6409 §5.1).
 */
import type { AccountDirectory } from "../accounts/account-directory.ts";
import { whenReady } from "../lib/when-ready.ts";
import { checkHeaderAddresses, type HeaderAddressCheck } from "../message/submission-edits.ts";
import { type Refusal, refuse } from "./decision.ts";
import type { Stage } from "./stage.ts";

/** Who a submission says it is from (RFC 6409 §5.1, §6.1). */
export function headerOwnership(accounts: Pick<AccountDirectory, "mayUse">): Stage {
  return {
    rule: "header-ownership",
    header: ({ client, development, header, submits }) => {
      if (!submits) return undefined;
      const { login } = client;
      // Without a login MAIL was refused already, save in development.
      if (login === undefined) return development ? undefined : refuse("login-needed", {});
      const check = checkHeaderAddresses(header);
      const senders = check.kind === "ok" && check.sender !== undefined ? [check.sender] : [];
      const mailboxes = check.kind === "ok" ? [...check.from, ...senders] : [];
      const answers = mailboxes.map((mailbox) => accounts.mayUse(login, mailbox));
      const ready = answers.filter((value) => typeof value === "boolean");
      const all = ready.length === answers.length ? ready : Promise.all(answers.map(async (answer) => answer));
      return whenReady(all, (mayUse) => checkHeaderOwnership(check, mayUse, login));
    },
  };
}

/** `mayUse`: for each author in their order, then for Sender. `undefined`: the login may say so. */
export function checkHeaderOwnership(
  check: HeaderAddressCheck,
  mayUse: readonly boolean[],
  login: string,
): Refusal | undefined {
  if (check.kind === "bad") {
    return refuse(check.field === "From" ? "bad-from-field" : "bad-sender-field", { fault: check.reason });
  }
  const refused = (whom: string) => refuse("author-not-of-login", { whom, login }, `user ${login}`);
  const authors = check.from.map((_, index) => mayUse[index] === true);
  if (!authors.includes(true)) return refused("the address in From");
  if (check.sender !== undefined) {
    if (mayUse[check.from.length] === true) return undefined;
    return refused("the address in Sender");
  }
  if (!authors.includes(false)) return undefined;
  return refused("every address in From; add a Sender field with your own address");
}
