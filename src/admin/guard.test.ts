import assert from "node:assert/strict";
import { test } from "node:test";
import { developmentSettings } from "../config/development-settings.ts";
import { guardSettings, refusalOf } from "./guard.ts";

function statusOf(host: string, listen: string, hostnames: readonly string[] = []): number | undefined {
  const ports = { smtpPort: 1025, httpPort: 8025, tlsPort: undefined };
  const settings = developmentSettings({ dataDir: "/data", hosts: [listen], hostnames, ...ports });
  const request = new Request("http://localhost:8025/api/v1/inbox", { headers: { host } });
  return refusalOf(request, guardSettings(settings, undefined))?.status;
}

test("HTTP is addressed by loopback names, the address it listens on, and names that are allowed", () => {
  assert.equal(statusOf("localhost:8025", "127.0.0.1"), undefined);
  assert.equal(statusOf("mail:8025", "127.0.0.1"), 403);
  assert.equal(statusOf("Mail:8025", "127.0.0.1", ["mail", "box.test"]), undefined);
  assert.equal(statusOf("192.0.2.7:8025", "192.0.2.7"), undefined);
  assert.equal(statusOf("192.0.2.8:8025", "192.0.2.7"), 403);
});

test("where it listens on every address, each may be named, but no name that DNS could lead here", () => {
  assert.equal(statusOf("192.0.2.7:8025", "0.0.0.0"), undefined);
  assert.equal(statusOf("[2001:db8::1]:8025", "::"), undefined);
  assert.equal(statusOf("rebound.test:8025", "0.0.0.0"), 403);
  assert.equal(statusOf("192.0.2.7.rebound.test:8025", "::"), 403);
});
