/** `posthaste acme …`: the certificate that the server gets by itself. */
import { timeWords } from "../../history/words.ts";
import { printable } from "../../lib/printable-text.ts";
import { type AcmeShown, acmeShown } from "../api-shapes.ts";
import { type Command, jsonOption } from "../command.ts";
import type { CliContext } from "../context.ts";
import { ask, openApi, serverOptions } from "../data-dir.ts";
import { ExitCode } from "../exit-code.ts";
import type { GivenArguments } from "../given-arguments.ts";

const common = { options: [jsonOption, ...serverOptions], positionals: [] } as const;

const status: Command = {
  ...common,
  name: "acme status",
  summary: "show the certificate, when it is renewed, and why the last attempt failed",
  examples: [{ line: "posthaste acme status", does: "with the authority's own words" }],
  run: async (given, context) => tell(given, context, "/api/v1/acme", "GET"),
};

const retry: Command = {
  ...common,
  name: "acme retry",
  summary: "try again now after a failure, without waiting for the scheduled time",
  examples: [{ line: "posthaste acme retry", does: "after you opened port 80, for example" }],
  run: async (given, context) => tell(given, context, "/api/v1/acme/retry", "POST"),
};

const roll: Command = {
  ...common,
  name: "acme roll",
  summary: "create the next key and print the TLSA records of both keys to publish",
  examples: [{ line: "posthaste acme roll", does: "the server waits until DNS shows both records" }],
  run: async (given, context) => tell(given, context, "/api/v1/acme/roll", "POST"),
};

export const acmeCommands: readonly Command[] = [status, retry, roll];

async function tell(given: GivenArguments, context: CliContext, path: string, method: "GET" | "POST"): Promise<number> {
  await using api = await openApi(given, context);
  const answer = await ask(api, path, { method });
  const shown = given.flag("json") ? JSON.stringify(answer) : words(acmeShown.parse(answer));
  context.stdout.write(`${shown}\n`);
  return ExitCode.ok;
}

const at = (time: string) => timeWords(Date.parse(time));

function words({ directory, challenge, names, account, certificate, failure, tlsa, ...plan }: AcmeShown): string {
  const lines = [
    `Authority: ${printable(directory)} (${challenge}), account ${account === null ? "not created yet" : printable(account)}`,
    `Names: ${names.join(", ")}`,
    certificate === null
      ? "Certificate: none yet; a self-signed one is in use"
      : `Certificate: ${printable(certificate.names)}, by ${printable(certificate.issuer)}, expires ${at(certificate.valid_to)}`,
  ];
  if (plan.renew_at !== null) {
    const by = plan.renew_by === "authority" ? "as the authority suggests" : "after two thirds of its lifetime";
    lines.push(`Renewal: ${at(plan.renew_at)}, ${by}`);
  }
  if (failure !== null) {
    lines.push(
      `Attempt ${failure.attempts} failed ${at(failure.at)}: ${printable(failure.problem)}`,
      `Next attempt: ${at(failure.retry_at)}, or now with \`posthaste acme retry\``,
    );
  }
  if (tlsa.current !== null) lines.push(`TLSA record of the key: ${tlsa.current}`);
  if (tlsa.next !== null) {
    lines.push(
      `TLSA record of the next key: ${tlsa.next}`,
      plan.roll_over_at === null
        ? "Publish both records, if you publish any. The server waits until DNS shows both."
        : `DNS shows both records. The server uses the next key after ${at(plan.roll_over_at)}.`,
    );
  }
  return lines.join("\n");
}
