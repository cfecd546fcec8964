/** The `[blocklists]` section. */
import { z } from "zod";
import { domainKeyOf } from "../../address/domain.ts";
import { returnCodes } from "./return-codes.ts";

const listSettings = z
  .strictObject({
    zone: z
      .string()
      .refine((text) => !text.startsWith("[") && domainKeyOf(text) !== undefined, "not a domain name")
      .describe('The domain under which the list answers, such as "zen.example.net". Applies on reload.'),
    lists: z
      .enum(["addresses", "domains"])
      .default("addresses")
      .describe(
        "What the list has entries of: client addresses, or domain names. Of a message, the domain of the reverse-path is looked up. Applies on reload.",
      ),
    score: z
      .int()
      .min(1)
      .max(1000)
      .default(1)
      .describe("What an entry adds to the score of a message. Applies on reload."),
    codes: z
      .array(
        z
          .string()
          .refine((text) => returnCodes([text]) !== undefined, 'write "127.0.0.2", "127.0.0.4-11" or "127.0.0.0&6"'),
      )
      .max(32)
      .default([])
      .describe(
        'Answers that count: one address, a range of last octets ("127.0.0.4-11"), or bits of the last octet ("127.0.0.0&6"). Default: every answer in 127.0.0.0/16 that stands for an entry. Applies on reload.',
      ),
    test_entry: z
      .string()
      .optional()
      .describe(
        "What the list must have for the self-test. Default: 127.0.0.2 for addresses and `test` for domains, as RFC 5782 §5 asks; some lists of domains have another one. Applies on reload.",
      ),
  })
  .describe("A DNS list (RFC 5782).");

export const blocklistsSettings = z
  .strictObject({
    refuse_at: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1)
      .describe(
        "The score from which recipients are refused with 554 5.7.1. With two lists of score 1 and refuse_at = 2, one mistaken list refuses nothing. Applies on reload.",
      ),
    list: z.array(listSettings).max(20).default([]).describe("The lists that are asked; none by default."),
  })
  .describe(
    "DNS lists of clients and domains, for mail from other servers. A list that cannot be reached, fails its self-test, or refuses our queries counts for nothing. See docs/abuse.md.",
  );

export type BlocklistSettings = z.output<typeof listSettings>;
export type BlocklistsSettings = z.output<typeof blocklistsSettings>;
