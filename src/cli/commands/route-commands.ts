/** `posthaste route login | logins | logout`: consent of accounts at relay hosts that log in by OAuth. */
import type { ClientSettings } from "../../oauth/client-settings.ts";
import { beginBrowserLogin } from "../../oauth/browser-login.ts";
import { beginDeviceLogin } from "../../oauth/device-login.ts";
import type { TokenAnswer } from "../../oauth/token-endpoint.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { timeWords } from "../../history/words.ts";
import type { ServiceClient } from "../../ports/service-client.ts";
import { routeLoginList } from "../api-shapes.ts";
import { type Command, jsonOption, type OptionDeclaration } from "../command.ts";
import type { CliContext } from "../context.ts";
import { ask, findServer, openApi, serverOptions } from "../data-dir.ts";
import { CliError, ExitCode, usageError } from "../exit-code.ts";
import { styleFor, textTable } from "../style.ts";

const clientOption: OptionDeclaration = {
  name: "client",
  value: "NAME",
  summary: "name of the [[oauth.client]]; required if routes use several clients for this account",
};
const accountArgument = { name: "USERNAME", summary: "the account at the relay host, as in `auth.username`" } as const;
const path = "/api/v1/route-logins";

const login: Command = {
  name: "route login",
  summary: "log in to an account at the provider of a relay host, for a route with `oauth`",
  description:
    "Shows an address and a code to enter there, on any device, and waits until someone has consented. If the [[oauth.client]] has only an authorization_url, it shows an address to open in a browser, and asks for the address that the browser shows afterwards. The consent is kept in the data directory as a refresh token; the server uses it from the next attempt on.",
  options: [clientOption, jsonOption, ...serverOptions],
  positionals: [accountArgument],
  examples: [{ line: "posthaste route login news@example.org", does: "shows a code, and waits for the consent" }],
  run: async (given, context) => {
    const [username = ""] = given.positionals;
    const { settings } = await findServer(given, context);
    if (settings === undefined)
      throw usageError("name the configuration by --config FILE: it has the [[oauth.client]]");
    const client = clientFor(settings, username, given.text("client"));
    const http = context.serviceClient(context.resolver(settings.dns));
    const answer = await consent(client, http, context);
    if (answer.kind === "unavailable") throw new CliError(ExitCode.unavailable, answer.reason);
    if (answer.kind === "refused") throw new CliError(ExitCode.noPermission, `${client.name} says ${answer.reason}`);
    const { refreshToken } = answer;
    if (refreshToken === undefined) {
      const message = `${client.name} gave no refresh token, so the login would end within the hour`;
      throw new CliError(ExitCode.data, message, "Ask for offline access in `scope`, or in the authorization_url.");
    }
    await using api = await openApi(given, context, { mayCreate: true });
    const json = { client: client.name, username, refresh_token: refreshToken };
    const stored = await ask(api, path, { method: "PUT", json });
    if (given.flag("json")) context.stdout.write(`${JSON.stringify(stored)}\n`);
    else context.stderr.write(`${username} is logged in. Waiting mail goes out at its next attempt.\n`);
    return ExitCode.ok;
  },
};

const logins: Command = {
  name: "route logins",
  summary: "list the accounts that are logged in at providers, and whether their consent is still valid",
  options: [jsonOption, ...serverOptions],
  positionals: [],
  examples: [],
  run: async (given, context) => {
    await using api = await openApi(given, context);
    const answer = await ask(api, path);
    if (given.flag("json")) {
      context.stdout.write(`${JSON.stringify(answer)}\n`);
      return ExitCode.ok;
    }
    const { logins: shown } = routeLoginList.parse(answer);
    if (shown.length === 0) {
      context.stderr.write("No account is logged in. `posthaste route login USERNAME` logs one in.\n");
      return ExitCode.ok;
    }
    const rows = shown.map(({ username, client, since, gone_since: gone, reason }) => [
      username,
      client,
      timeWords(Date.parse(since)),
      gone === null ? "good" : `gone since ${timeWords(Date.parse(gone))} (${reason ?? ""})`,
    ]);
    const style = styleFor(context.stdout, context.environment);
    const table = [["ACCOUNT", "CLIENT", "SINCE", "CONSENT"], ...rows];
    context.stdout.write(textTable(table, { columns: Number.POSITIVE_INFINITY, style }));
    return ExitCode.ok;
  },
};

const logout: Command = {
  name: "route logout",
  summary: "forget the login of an account; to withdraw the consent itself, ask the provider",
  options: [clientOption, jsonOption, ...serverOptions],
  positionals: [accountArgument],
  examples: [
    { line: "posthaste route logout news@example.org --client google", does: "mail of its routes waits then" },
  ],
  run: async (given, context) => {
    const [username = ""] = given.positionals;
    await using api = await openApi(given, context);
    const { logins: known } = routeLoginList.parse(await ask(api, path));
    const name = given.text("client");
    const found = known.filter((one) => one.username === username && (name === undefined || one.client === name));
    const [one] = found;
    if (one === undefined) throw new CliError(ExitCode.data, `${username} is not logged in`);
    if (found.length > 1) throw usageError(`${username} is logged in by several clients; name one by --client`);
    const where = `${path}/${encodeURIComponent(one.client)}/${encodeURIComponent(username)}`;
    const answer = await ask(api, where, { method: "DELETE" });
    if (given.flag("json")) context.stdout.write(`${JSON.stringify(answer)}\n`);
    else context.stderr.write(`Forgot the login of ${username} by ${one.client}.\n`);
    return ExitCode.ok;
  },
};

export const routeCommands: readonly Command[] = [login, logins, logout];

/** Of the routes that log this account in. */
function clientFor({ route, oauth }: Settings, username: string, name: string | undefined): ClientSettings {
  const used = new Set(
    route.flatMap(({ auth }) => (auth?.username === username && auth.oauth !== undefined ? [auth.oauth] : [])),
  );
  if (used.size === 0) {
    throw new CliError(
      ExitCode.data,
      `no route logs in as ${username} by OAuth`,
      'Write auth = { username = "…", oauth = "…" } in its [[route]].',
    );
  }
  const named = name === undefined ? [...used] : [...used].filter((one) => one === name);
  if (named.length > 1) throw usageError(`${username} logs in by ${named.join(" and ")}; name one by --client`);
  const client = oauth.client.find((one) => one.name === named[0]);
  if (client === undefined) throw usageError(`no route logs ${username} in by ${name ?? ""}`);
  return client;
}

async function consent(client: ClientSettings, http: ServiceClient, context: CliContext): Promise<TokenAnswer> {
  const { stderr, stdin, clock, random, interrupted } = context;
  const { device_url: device, authorization_url: browser } = client;
  if (device !== undefined) {
    const begun = await beginDeviceLogin({ ...client, device_url: device }, { http, clock });
    if (typeof begun === "string") return { kind: "unavailable", reason: `${client.name} gives no code: ${begun}` };
    const { code, url, lifetimeMs } = begun.prompt;
    const minutes = Math.max(1, Math.floor(lifetimeMs / 60_000));
    stderr.write(`Open ${url} on any device, and enter the code ${code} within ${minutes} minutes.\n`);
    stderr.write("Sign in there with the account of the route. Waiting …\n");
    return await begun.wait(interrupted);
  }
  if (browser === undefined) throw usageError(`the client ${client.name} has neither device_url nor authorization_url`);
  if (!stdin.isTerminal) throw usageError("this provider needs a browser, and a terminal to ask on");
  const begun = beginBrowserLogin({ ...client, authorization_url: browser }, { http, random });
  stderr.write(`Open this address in a browser, and sign in with the account of the route:\n\n${begun.url}\n\n`);
  stderr.write("Afterwards the browser shows a page that cannot be reached. Copy its address.\n");
  return await begun.finish(await stdin.ask("Address: "));
}
