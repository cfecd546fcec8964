/** Kinds of value that the sections of `[oauth]` have in common. */
import { z } from "zod";
import { isSafeUrl } from "../ports/service-client.ts";

/** To which tokens and secrets may go. */
export function oauthUrl() {
  return z
    .string('a URL is text: "https://login.example.org"')
    .max(2048)
    .refine(isSafeUrl, 'write a URL that begins with https:// (http:// only for localhost), without user name or "#"');
}
