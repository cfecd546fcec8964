/** What is kept for a time: the history of finished messages, and captured mail. */
import { Inbox } from "../../admin/inbox.ts";
import { InboxKeeper, type RetentionLimits } from "../../admin/inbox-keeper.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { HistoryKeeper } from "../../history/history-keeper.ts";
import type { Opening } from "../plan/part.ts";
import type { Store } from "./store.ts";

export function openHistory({ settings, ports, parts }: Opening, { spool }: Store): HistoryKeeper {
  const { clock, log } = ports;
  const keeper = new HistoryKeeper({ spool, clock, log }, keepMsOf(settings));
  parts.add({
    name: "history",
    view: keepMsOf,
    prepare: (next) => () => keeper.reconfigure(next),
    start: () => keeper.start(),
    stop: () => keeper.close(),
  });
  return keeper;
}

export function openInbox({ settings, ports, parts }: Opening, { spool }: Store, history: HistoryKeeper): Inbox {
  const { files, clock, log, reading } = ports;
  if (reading) parts.add({ name: "reading", stop: () => reading.close() });
  const keeper = new InboxKeeper({ captured: spool.captured, clock, log }, retentionLimits(settings));
  parts.add({
    name: "inbox",
    view: retentionLimits,
    prepare: (next) => () => keeper.reconfigure(next),
    start: () => keeper.start(),
    stop: () => keeper.close(),
  });
  return new Inbox(
    { spool, files, clock, ...(reading && { reading }) },
    { folder: `${settings.data_dir}/captured`, deleted: () => history.wake() },
  );
}

function keepMsOf({ history }: Settings): number {
  return history.keep;
}

function retentionLimits({ inbox: { messages, keep } }: Settings): RetentionLimits {
  return { messages, keepMs: keep };
}
