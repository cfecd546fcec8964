/** Speaks to a running server over its control socket. */
import { request } from "node:http";
import { NetworkError } from "../../ports/network.ts";

/** Longer answers than this do not come from us. */
const answerBytesMax = 256 * 1024 * 1024;

/** Rejects with {@link NetworkError}: `ENOENT` or `ECONNREFUSED` mean that no server runs. */
export function controlRequest(
  socketPath: string,
  path: string,
  init: { readonly method?: string; readonly json?: unknown } = {},
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) =>
      reject(new NetworkError(error.code ?? "EIO", error.message, { cause: error }));
    const body = init.json === undefined ? undefined : JSON.stringify(init.json);
    const outgoing = request(
      {
        socketPath,
        path,
        method: init.method ?? "GET",
        headers: { host: "localhost", ...(body !== undefined && { "content-type": "application/json" }) },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        let size = 0;
        incoming.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > answerBytesMax) incoming.destroy(new Error("the answer is too long"));
          else chunks.push(chunk);
        });
        incoming.on("error", fail);
        incoming.on("end", () => {
          const type = incoming.headers["content-type"];
          resolve(
            new Response(Buffer.concat(chunks), {
              status: incoming.statusCode ?? 500,
              ...(type !== undefined && { headers: { "content-type": type } }),
            }),
          );
        });
      },
    );
    outgoing.on("error", fail);
    outgoing.end(body);
  });
}
