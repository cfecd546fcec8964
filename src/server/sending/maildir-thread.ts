/** Root of the threads that write into Maildirs, one message at a time. */
import { BlockingFiles } from "../../node/files/blocking-files.ts";
import { serveWriting } from "../../node/files/writing-thread.ts";
import { DirectMaildirStore, type MaildirOrder } from "../../outbound/maildir-store.ts";

const store = new DirectMaildirStore(new BlockingFiles());

serveWriting((order: MaildirOrder, content) => store.put(order, content));
