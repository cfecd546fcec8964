import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryFiles } from "../testing/memory-files.ts";
import { checkSettings, loadSettings } from "./load-settings.ts";
import { originOfSettings } from "./setting-origin.ts";

const text = `hostname = "mail.example.org"
data_dir = "/data"
[[listener]]
kind = "mx"
[[domain]]
name = "example.org"
recipients = "any"
[[alias]]
address = "team@example.org"
to = ["ann@example.org"]
[limits]
free_space = "1GB"
[[dmarc.override]]
domain = "a.test"
policy = "none"
`;

test("a setting is found by the name that decisions give it, in the file, by default, or not at all", async () => {
  const files = new MemoryFiles();
  await files.makeDirectory("/etc");
  await files.replaceFile("/etc/posthaste.toml", Buffer.from(text));
  const importModule = () => Promise.reject(new Error("no module"));
  const { settings } = await loadSettings("/etc/posthaste.toml", { files, environment: {}, importModule });
  const at = originOfSettings(settings);
  const expected: Readonly<Record<string, string | undefined>> = {
    hostname: "/etc/posthaste.toml:1",
    "limits.free_space": "/etc/posthaste.toml:12",
    "limits.connections": "default",
    "domain example.org": "/etc/posthaste.toml:5",
    "domain example.org recipients": "/etc/posthaste.toml:7",
    "alias team@example.org": "/etc/posthaste.toml:8",
    "dmarc.override a.test": "/etc/posthaste.toml:13",
    "user stored@example.org": undefined,
    "postmaster always exists": undefined,
  };
  for (const [setting, place] of Object.entries(expected)) assert.equal(at(setting), place, setting);
});

test("settings of a module and of a program have no place, and are not called defaults", async () => {
  const files = new MemoryFiles();
  const listener = [{ kind: "mx" as const }];
  const settings = { hostname: "mail.example.org", data_dir: "/data", listener, limits: { connections: 7 } };
  const loaded = await loadSettings("/etc/posthaste.config.js", {
    files,
    environment: {},
    importModule: async () => ({ default: settings }),
  });
  const given = await checkSettings(settings, "/etc", { files, environment: {} });
  for (const each of [loaded.settings, given]) assert.equal(originOfSettings(each)("limits.connections"), undefined);
});
