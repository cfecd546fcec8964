/** Root of the spool's worker threads: the writer, and the reader that searches beside it. */
import { runSpoolThread } from "./node/spool-thread-role.ts";

runSpoolThread();
