/**
 * Writing one message into a Maildir: `tmp`, fsync, `new`, fsync of the folder; when it is done, the message is on the
 * disk. Where this runs is up to the composition: a mailbox on a network file system may hang for minutes, and must not
 * take the threads that the files of the spool need.
 */
import { FileError, type Files } from "../ports/files.ts";

/** Plain data: it may go to another thread. */
export interface MaildirOrder {
  /** The recipient's Maildir. Orders for one are carried out one after the other. */
  readonly inbox: string;
  /** The inbox itself, or a folder of it, which is made with its marker file. */
  readonly folder: string;
  /** Name of the file; an earlier attempt used the same. */
  readonly name: string;
  /** The folders were there a while ago. */
  readonly isKnown: boolean;
}

/** What is written; it may be read again from its start. */
export interface MaildirContent {
  /** Roughly, in octets. */
  readonly size: number;
  chunks(): AsyncIterable<Uint8Array>;
}

export interface MaildirStore {
  /** Rejects with {@link FileError} for what the file system says, and with whatever reading the content throws. */
  put(order: MaildirOrder, content: MaildirContent): Promise<void>;
  close(): Promise<void>;
}

type FileWork = Pick<Files, "open" | "stat" | "remove" | "rename" | "makeDirectory" | "syncDirectory">;

/** Writes with the files that it is given, in this thread. */
export class DirectMaildirStore implements MaildirStore {
  readonly #files: FileWork;

  constructor(files: FileWork) {
    this.#files = files;
  }

  put(order: MaildirOrder, content: Pick<MaildirContent, "chunks">): Promise<void> {
    return putIntoMaildir(this.#files, order, content);
  }

  async close(): Promise<void> {}
}

async function putIntoMaildir(
  files: FileWork,
  order: MaildirOrder,
  content: Pick<MaildirContent, "chunks">,
): Promise<void> {
  if (!order.isKnown) await prepare(files, order);
  try {
    await write(files, order, content);
  } catch (error) {
    if (!(error instanceof FileError) || error.code !== "ENOENT") throw error;
    // Someone removed a folder that was there when we last looked.
    await prepare(files, order);
    await write(files, order, content);
  }
}

async function write(
  files: FileWork,
  { folder, name }: MaildirOrder,
  content: Pick<MaildirContent, "chunks">,
): Promise<void> {
  const target = `${folder}/new/${name}`;
  if (await files.stat(target)) {
    // An earlier attempt may have ended between the rename and its sync.
    await files.syncDirectory(`${folder}/new`);
    return;
  }
  const temporary = `${folder}/tmp/${name}`;
  // A leftover of an attempt that a crash cut short.
  await files.remove(temporary);
  try {
    await using file = await files.open(temporary, "create", 0o600);
    for await (const chunk of content.chunks()) await file.write(chunk);
    await file.sync();
  } catch (error) {
    await files.remove(temporary).catch(() => undefined);
    throw error;
  }
  await files.rename(temporary, target);
  await files.syncDirectory(`${folder}/new`);
}

async function prepare(files: FileWork, { inbox, folder }: MaildirOrder): Promise<void> {
  await makeMaildir(files, inbox);
  if (folder === inbox) return;
  await makeMaildir(files, folder);
  // Without its marker it may be taken for a Maildir of its own, with its own quota.
  {
    await using marker = await files.open(`${folder}/maildirfolder`, "append", 0o600);
    await marker.sync();
  }
  await files.syncDirectory(folder);
}

async function makeMaildir(files: FileWork, maildir: string): Promise<void> {
  for (const folder of ["tmp", "cur", "new"]) await files.makeDirectory(`${maildir}/${folder}`, 0o700);
  await files.syncDirectory(maildir);
  await files.syncDirectory(maildir.slice(0, Math.max(1, maildir.lastIndexOf("/"))));
}
