/** `posthaste/testing`: a test inbox for programs that send mail. */
export {
  type MailFilter,
  MailTimeoutError,
  startTestServer,
  type TestMail,
  type TestServer,
  type TestServerOptions,
  type WaitOptions,
} from "./test-server.ts";
export type { RefusableCommand, TestRefusal } from "./test-refusals.ts";
export type { InboxMessage } from "../admin/inbox.ts";
