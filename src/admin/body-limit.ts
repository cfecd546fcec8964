/** Bounds the body of a request, whether its length is told or not. */

/** The same request where it may pass; undefined where its body is too large. */
export async function withinLimit(request: Request, bytesMax: number): Promise<Request | undefined> {
  const { body, headers } = request;
  if (body === null) return request;
  const declared = headers.get("content-length");
  // The HTTP server reads no more than was declared; with chunks nothing is.
  if (declared !== null && !headers.has("transfer-encoding")) return Number(declared) <= bytesMax ? request : undefined;
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > bytesMax) {
      reader.cancel().catch(() => undefined);
      return undefined;
    }
    chunks.push(value);
  }
  const { method, signal, url } = request;
  // Made from its parts: the server's own kind of Request cannot be copied.
  return new Request(url, { method, headers, signal, ...(size !== 0 && { body: Buffer.concat(chunks) }) });
}
