/** The `[[listener]]` sections: where clients connect, and what they may do there. */
import { z } from "zod";
import { listenAddress } from "../lib/setting-types.ts";

export const listenerSettings = z
  .strictObject({
    kind: z
      .enum(["mx", "submission", "submissions", "lmtp"])
      .describe(
        "Whose mail comes in here: `mx` takes mail from other servers; `submission` (STARTTLS) and `submissions` (TLS at once) take users' mail after a login; `lmtp` takes mail for local recipients. A reload does not change it.",
      ),
    listen: listenAddress()
      .optional()
      .describe(
        'Address and port, or "unix:/path". Default by kind: [::]:25, [::]:587, [::]:465; lmtp has none. A reload does not move it.',
      ),
    bare_line_ends: z
      .enum(["refuse", "repair"])
      .optional()
      .describe(
        "Content with a bare LF or CR, by DATA or by BDAT: refused with 550 5.5.2, or repaired to CRLF. Only CRLF.CRLF ever ends the content, and a bare CR in the header section is refused all the same. Default by kind: repair for submission and submissions, whose clients often send LF; refuse for mx and lmtp. A reload does not change it.",
      ),
    early_talk: z
      .enum(["allow", "refuse"])
      .default("allow")
      .describe(
        "Clients that send commands before it is their turn (before the greeting, or after EHLO, DATA or STARTTLS): served, or refused with 554 5.5.0 as spammers' tools. A reload does not change it.",
      ),
  })
  .describe("One address on which clients are served.");

export type ListenerSettings = z.output<typeof listenerSettings>;
