/** `posthaste explain ID`: why a message is where it is. */
import { z } from "zod";
import type { Explanation } from "../../history/explain.ts";
import { formatExplanation } from "../../history/format-explanation.ts";
import { asciiUpperCase } from "../../lib/ascii-case.ts";
import { type Command, jsonOption } from "../command.ts";
import { ask, openApi, serverOptions } from "../data-dir.ts";
import { CliError, ExitCode, usageError } from "../exit-code.ts";

/** As far as another version of the server could make the text fail. */
const explanationShape = z.object({
  message: z.looseObject({ id: z.string(), from: z.string(), received_at: z.string() }),
  recipients: z.array(z.looseObject({ address: z.string(), state: z.string(), why: z.string(), next: z.string() })),
  timeline: z.array(z.looseObject({ at: z.string(), text: z.string() })),
});

export const explainCommand: Command = {
  name: "explain",
  summary: "explain where a message is and why, and show everything that happened to it",
  options: [jsonOption, ...serverOptions],
  positionals: [{ name: "ID", summary: "the queue id from the 250 reply, the log or the Received field" }],
  examples: [
    { line: "posthaste explain 4QJ7ZC2M9KXD", does: "where it came from, what was tried, and what happens next" },
  ],
  run: async (given, context) => {
    const [id = ""] = given.positionals;
    if (!/^[0-9A-Za-z]{12}$/.test(id)) throw usageError(`"${id}" is not a queue id: twelve letters and digits`);
    await using api = await openApi(given, context);
    const answer = await ask(api, `/api/v1/messages/${asciiUpperCase(id)}`);
    if (given.flag("json")) {
      context.stdout.write(`${JSON.stringify(answer)}\n`);
      return ExitCode.ok;
    }
    if (!explanationShape.safeParse(answer).success) {
      throw new CliError(ExitCode.unavailable, "the server's reply has an unexpected form; --json prints it");
    }
    context.stdout.write(formatExplanation(answer as Explanation));
    return ExitCode.ok;
  },
};
