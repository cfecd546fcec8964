/** `posthaste/testing`: a test inbox for programs that send mail. */
export {
  type MailFilter,
  MailTimeoutError,
  startTestServer,
  type TestMail,
  TestServer,
  type TestServerOptions,
  type WaitOptions,
} from "./test-server.ts";
