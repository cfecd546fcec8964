/** Root of the spool's worker threads: the writer, the reader that searches beside it, and the checkpointer. */
import { runSpoolThread } from "./thread-role.ts";

runSpoolThread();
