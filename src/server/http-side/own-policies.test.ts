/** Which hosts are answered with which policy, before and after a reload. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Settings, type SettingsInput, settingsSchema } from "../../config/settings-schema.ts";
import { StartError } from "../../cli/running-server.ts";
import type { PolicyServerOptions, ServePolicies } from "../../ports/http-server.ts";
import { NetworkError, type TlsServerOptions } from "../../ports/network.ts";
import { type Opening, Parts } from "../plan/part.ts";
import { openOwnPolicies } from "./own-policies.ts";

const path = "/.well-known/mta-sts.txt";
const tls = { context: () => ({ certificatePem: "", keyPem: "", version: 1 }) } satisfies TlsServerOptions;

function settingsOf(changes: Partial<SettingsInput>): Settings {
  const domain = [{ name: "our.test" }, { name: "übung.test" }];
  return settingsSchema.parse({ hostname: "mx.our.test", data_dir: "/data", domain, ...changes });
}

async function opened(changes: Partial<SettingsInput>, servePolicies: ServePolicies) {
  const parts = new Parts();
  const settings = settingsOf(changes);
  await openOwnPolicies({ settings, ports: { servePolicies }, parts } as unknown as Opening, tls);
  const reload = async (next: Partial<SettingsInput>) => {
    for (const { apply } of await parts.prepare(settingsOf(next))) apply();
  };
  return { parts, reload };
}

test("each of our domains is answered with the policy in force, and nobody else", async () => {
  let answer: PolicyServerOptions["answer"] = () => assert.fail();
  let isClosed = false;
  const serve: ServePolicies = (endpoint, options) => {
    assert.equal(endpoint.port, 443);
    answer = options.answer;
    return Promise.resolve({ endpoint, close: () => Promise.resolve(void (isClosed = true)) });
  };
  const listen = "127.0.0.1:443";
  const { parts, reload } = await opened({ mta_sts: { mode: "testing", listen } }, serve);
  const testing = "version: STSv1\r\nmode: testing\r\nmx: mx.our.test\r\nmax_age: 1209600\r\n";
  assert.equal(answer("mta-sts.our.test", path), testing);
  assert.equal(answer("mta-sts.xn--bung-zra.test", path), testing);
  for (const host of ["our.test", "mta-sts.other.test", ""]) assert.equal(answer(host, path), undefined);
  assert.equal(answer("mta-sts.our.test", "/"), undefined);
  await reload({ mta_sts: { mode: "enforce", mx: ["*.Our.test"], max_age: "30d", listen } });
  const enforced = "version: STSv1\r\nmode: enforce\r\nmx: *.our.test\r\nmax_age: 2592000\r\n";
  assert.equal(answer("mta-sts.our.test", path), enforced);
  await reload({ mta_sts: { listen } });
  assert.equal(answer("mta-sts.our.test", path), undefined);
  await parts.stop(0);
  assert.ok(isClosed);
});

test("without an address nothing is served, and one that is taken keeps the server from starting", async () => {
  await opened({ mta_sts: { mode: "enforce" } }, () => assert.fail());
  const taken: ServePolicies = () => Promise.reject(new NetworkError("EADDRINUSE", "taken"));
  await assert.rejects(opened({ mta_sts: { listen: "127.0.0.1:443" } }, taken), (error: unknown) => {
    return error instanceof StartError && error.message === "127.0.0.1:443 is taken (mta_sts)";
  });
});

test("a policy lists host names, on an IP address, for a day at least", () => {
  const problems = (mtaSts: SettingsInput["mta_sts"]) =>
    settingsSchema.safeParse({ hostname: "mx.our.test", data_dir: "/data", mta_sts: mtaSts }).success;
  assert.ok(problems({ mode: "enforce", mx: ["mx.our.test", "*.our.test"] }));
  assert.ok(!problems({ mx: ["mx our.test"] }));
  assert.ok(!problems({ mx: [] }));
  assert.ok(!problems({ max_age: "1h" }));
  assert.ok(!problems({ listen: "unix:/run/policy.sock" }));
});
