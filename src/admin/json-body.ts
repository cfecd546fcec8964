/** The JSON body of a request, or the sentence that says why there is none. */
import type { HonoRequest } from "hono";
import type { z } from "zod";

/** Answered with 400. */
export class BodyError extends Error {
  override readonly name = "BodyError";
}

/** Throws {@link BodyError} where the body is not JSON of this form. */
export async function jsonBody<T>(request: HonoRequest, schema: z.ZodType<T>): Promise<T> {
  const text = await request.text();
  if (text.trim() === "") throw new BodyError("the request has no body; send a JSON object");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // Without what the body says: it may be a password.
    const place = /position (\d+)/.exec((error as Error).message)?.[1];
    const where = place === undefined ? "" : `, from character ${Number(place) + 1} on`;
    throw new BodyError(`the body of the request is not JSON${where}; send an object such as {"key":"value"}`);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new BodyError(sentenceOf(parsed.error));
  return parsed.data;
}

/** One line, for `error`. */
export function sentenceOf({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => (path.length > 0 ? `${path.join(".")}: ${message}` : message)).join("; ");
}
