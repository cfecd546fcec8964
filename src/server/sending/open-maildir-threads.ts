/**
 * Writes into Maildirs in threads of their own. A mailbox may be on a network file system that hangs: every call to it
 * then blocks a thread, and in libuv's pool four such calls would hold up the content of the spool, the argon2 of logins,
 * and every other file. docs/decisions/maildir-threads.md has the choice and what it costs.
 */
import { WritingThreads } from "../../node/files/writing-threads.ts";
import type { MaildirOrder, MaildirStore } from "../../outbound/maildir-store.ts";
import type { Clock } from "../../ports/clock.ts";

/** So many mailboxes can hang before the others wait for one of them; nothing else ever does. */
export const maildirThreadsMax = 4;

/** `root`: for tests, another module that calls `serveWriting`. */
export function openMaildirThreads(clock: Clock, root = usualRoot()): MaildirStore {
  const threads = new WritingThreads<MaildirOrder>({ clock, root, name: "maildir", threadsMax: maildirThreadsMax });
  return {
    put: (order, content) => threads.run(order.inbox, order, content),
    close: () => threads.close(),
  };
}

function usualRoot(): URL {
  // Unbuilt in a clone, JavaScript in the package: the thread's root has the same extension as this file.
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  return new URL(`./maildir-thread${extension}`, import.meta.url);
}
