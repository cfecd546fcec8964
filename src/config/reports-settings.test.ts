/** What `[reports]` means together with the rest: a wrong address is told, and mail to a right one reaches the store. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AccountTable } from "../accounts/account-table.ts";
import { parseMailbox } from "../address/mailbox-text.ts";
import { RouteTable } from "../route/static-route.ts";
import { crossProblems } from "./cross-checks.ts";
import { type Settings, type SettingsInput, settingsSchema } from "./settings-schema.ts";
import { accountSettings, routerSettings } from "./settings-views.ts";

function settingsWith(reports: SettingsInput["reports"], more: Partial<SettingsInput> = {}): Settings {
  return settingsSchema.parse({
    hostname: "mail.example.org",
    data_dir: "/data",
    listener: [{ kind: "mx" }],
    domain: [{ name: "example.org", catch_all: "ann@example.org" }],
    user: [{ address: "ann@example.org" }],
    alias: [{ address: "dmarc@example.org", to: ["reports@example.org", "ann@example.org"] }],
    ...more,
    reports,
  });
}

test("an address that is not ours, or somebody's already, is told with the key", () => {
  const table: readonly (readonly [SettingsInput["reports"], RegExp | undefined])[] = [
    [{ address: "reports@example.org", from: "x@mail.example.org" }, undefined],
    [{ address: "reports@elsewhere.test" }, /^reports\.address: elsewhere\.test is not declared/],
    [{ address: "reports@mail.example.org" }, /^reports\.address: mail\.example\.org is not declared/],
    [{ from: "reports@elsewhere.test" }, /^reports\.from: /],
    [{ address: "Ann@Example.org" }, /^reports\.address: .* is also a user or an alias/],
    [{ address: "dmarc@example.org" }, /^reports\.address: .* is also a user or an alias/],
  ];
  for (const [reports, expected] of table) {
    const problems = crossProblems(settingsWith(reports))
      .filter(({ path }) => path[0] === "reports")
      .map(({ path, message }) => `${path.join(".")}: ${message}`);
    if (expected === undefined) assert.deepEqual(problems, []);
    else assert.match(problems.join("\n"), expected);
  }
  assert.throws(() => settingsWith({ address: "no address" }));
  assert.throws(() => settingsWith({ from: "jürgen@example.org" }), /ASCII/);
});

test("the address exists without a user, an alias may lead to it, and no configured route takes its mail away", () => {
  const settings = settingsWith({ address: "Reports@example.org" }, { route: [{ domain: "*", via: "discard" }] });
  const accounts = new AccountTable({ settings: accountSettings(settings), users: [] });
  const resolve = (address: string) => accounts.resolve(parseMailbox(address) ?? assert.fail());
  const found = resolve("REPORTS@example.org");
  assert.ok(found.kind === "local" && found.setting === "reports address");
  assert.equal(found.targets[0]?.user, undefined, "nobody's mailbox");
  const alias = resolve("dmarc@example.org");
  assert.ok(alias.kind === "local");
  assert.deepEqual(
    alias.targets.map(({ address }) => address),
    ["reports@example.org", "ann@example.org"],
  );
  const other = resolve("report@example.org");
  assert.ok(other.kind === "local" && other.via === "catch-all");
  const routes = new RouteTable(routerSettings(settings, { interfaceAddresses: () => [], toProgram: false }).routes);
  assert.equal(routes.find({ address: "rePorts@example.org", domain: "example.org" })?.via, "reports");
  assert.equal(routes.find({ address: "ann@example.org", domain: "example.org" })?.via, "discard");
});
