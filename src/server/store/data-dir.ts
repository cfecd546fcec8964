/**
 * The data directory before anything is in it: made, and readable by nobody but this user, since mail, private keys and
 * the token of the API are in there.
 */
import { socketPathProblem } from "../../cli/control-socket.ts";
import { StartError } from "../../cli/running-server.ts";
import { FileError, type Files } from "../../ports/files.ts";
import type { Log } from "../../ports/log.ts";
import type { Opening } from "../plan/part.ts";

const PRIVATE = 0o700;
const FOR_OTHERS = 0o077;
/** The first is in every data directory that a server has used; the other in the root of a file system. */
const LOCK_FILE = "server.lock";
const LOST_AND_FOUND = "lost+found";
const TOKEN_FILE = "admin.token";
/** 256 bits: nobody guesses them. */
const TOKEN_BYTES = 32;
/** As the setting asks for; a file that was cut is made anew. */
const TOKEN_LENGTH_MIN = 16;

/** Rejects with {@link StartError}. */
export async function prepareDataDir(dataDir: string, ports: { files: Files; log: Log }): Promise<void> {
  const problem = socketPathProblem(dataDir);
  if (problem !== undefined) throw new StartError("start-data-dir-unusable", "data_dir", problem);
  try {
    await ports.files.makeDirectory(dataDir, PRIVATE);
    await keepPrivate(dataDir, ports);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw unusableDataDir(dataDir, error.code, error);
  }
}

/** `why`: a code, or words. */
export function unusableDataDir(dataDir: string, why: string, cause: unknown): StartError {
  const message = `the data directory ${dataDir} cannot be used (${why})`;
  return new StartError("start-data-dir-unusable", "data_dir", message, { cause });
}

/** A folder such as /tmp, named by mistake, is not taken away from everybody else. */
async function keepPrivate(dataDir: string, { files, log }: { files: Files; log: Log }): Promise<void> {
  const { permissions = PRIVATE } = (await files.stat(dataDir)) ?? {};
  if ((permissions & FOR_OTHERS) === 0) return;
  const former = permissions.toString(8).padStart(4, "0");
  const names = await files.list(dataDir);
  if (!names.includes(LOCK_FILE) && names.some((name) => name !== LOST_AND_FOUND)) {
    const message = `the data directory ${dataDir} is open to other users (${former}) and contains files of another user`;
    throw new StartError("start-data-dir-open", "data_dir", message);
  }
  try {
    await files.setPermissions(dataDir, permissions & ~FOR_OTHERS);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    const message = `the data directory ${dataDir} is open to other users (${former}), and this user cannot change that`;
    throw new StartError("start-data-dir-open", "data_dir", message, { cause: error });
  }
  log.event("data-dir-narrowed", { path: dataDir, former });
}

/**
 * The token that the API asks for where the configuration has none: made once, and kept for who may read the folder. Any
 * user of this machine reaches an address, and only this one a socket, which needs none.
 */
export async function openToken({ settings, ports }: Opening): Promise<string | undefined> {
  if (settings.admin.listen.kind === "unix") return undefined;
  const { data_dir: dataDir } = settings;
  const { files, random, log } = ports;
  const path = `${dataDir}/${TOKEN_FILE}`;
  const known =
    (await files.stat(path)) &&
    Buffer.from(await files.readFile(path))
      .toString("latin1")
      .trim();
  if (known !== undefined && known.length >= TOKEN_LENGTH_MIN) return known;
  const token = Buffer.from(random.bytes(TOKEN_BYTES)).toString("base64url");
  await files.replaceFile(path, Buffer.from(`${token}\n`));
  log.event("admin-token-made", { path });
  return token;
}
