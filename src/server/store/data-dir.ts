/**
 * The data directory before anything is in it: made, and readable by nobody but this user, since mail, private keys and
 * the token of the API are in there.
 */
import { socketPathProblem } from "../../cli/control-socket.ts";
import { StartError } from "../../cli/running-server.ts";
import { FileError, type Files } from "../../ports/files.ts";
import type { Log } from "../../ports/log.ts";
import type { Opening } from "../plan/part.ts";

const privateMode = 0o700;
const othersMode = 0o077;
/** The first is in every data directory that a server has used; the other in the root of a file system. */
const lockFile = "server.lock";
const lostAndFound = "lost+found";
const tokenFile = "admin.token";
/** 256 bits: nobody guesses them. */
const tokenBytes = 32;
/** As the setting asks for; a file that was cut is made anew. */
const tokenLengthMin = 16;

/** Rejects with {@link StartError}. */
export async function prepareDataDir(dataDir: string, ports: { files: Files; log: Log }): Promise<void> {
  const problem = socketPathProblem(dataDir);
  if (problem !== undefined) throw new StartError("start-data-dir-unusable", "data_dir", problem);
  try {
    await ports.files.makeDirectory(dataDir, privateMode);
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
  const { permissions = privateMode } = (await files.stat(dataDir)) ?? {};
  if ((permissions & othersMode) === 0) return;
  const former = permissions.toString(8).padStart(4, "0");
  const names = await files.list(dataDir);
  if (!names.includes(lockFile) && names.some((name) => name !== lostAndFound)) {
    const message = `the data directory ${dataDir} is open to other users (${former}) and contains files of another user`;
    throw new StartError("start-data-dir-open", "data_dir", message);
  }
  try {
    await files.setPermissions(dataDir, permissions & ~othersMode);
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
  const path = `${dataDir}/${tokenFile}`;
  const known =
    (await files.stat(path)) &&
    Buffer.from(await files.readFile(path))
      .toString("latin1")
      .trim();
  if (known !== undefined && known.length >= tokenLengthMin) return known;
  const token = Buffer.from(random.bytes(tokenBytes)).toString("base64url");
  await files.replaceFile(path, Buffer.from(`${token}\n`));
  log.event("admin-token-made", { path });
  return token;
}
