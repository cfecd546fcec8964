import { test } from "node:test";
import assert from "node:assert/strict";
import { makeSelfSigned } from "../node/tls/self-signed.ts";
import { MemoryFiles } from "../testing/memory-files.ts";
import { testKey } from "../testing/test-crypto.ts";
import { ConfigError, type ConfigProblemCode, configProblems, formatProblem } from "./config-problem.ts";
import { defineConfig } from "./define-config.ts";
import { type ConfigSources, loadSettings } from "./load-settings.ts";
import { formatSettingPath } from "./setting-path.ts";

const folder = "/etc/posthaste";
const file = `${folder}/posthaste.toml`;
const head = 'hostname = "mail.example.org"\ndata_dir = "data"\n';
const acme = '{ email = "a@example.org", directory = "https://ca.test/dir", agree = true }';
const listener = '[[listener]]\nkind = "mx"\n';
const houseCa = makeSelfSigned("House CA", Date.UTC(2026, 0, 1)).certificatePem;

async function sourcesWith(text: string, more: Readonly<Record<string, string>> = {}): Promise<ConfigSources> {
  const files = new MemoryFiles();
  await files.makeDirectory(folder);
  for (const [name, content] of Object.entries({ "posthaste.toml": text, "house-ca.pem": houseCa, ...more })) {
    await files.replaceFile(`${folder}/${name}`, Buffer.from(content, "latin1"));
  }
  return {
    files,
    environment: { RELAY_PASSWORD: "$argon2id$environment", EMPTY: "" },
    importModule: () => Promise.reject(new Error("no modules here")),
  };
}

async function problemsOf(text: string, more: Readonly<Record<string, string>> = {}) {
  try {
    await loadSettings(file, await sourcesWith(text, more));
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

interface Wrong {
  readonly name: string;
  readonly text: string;
  readonly code: ConfigProblemCode;
  readonly place?: string;
  readonly key: string;
  readonly message: RegExp;
}

const wrongs: readonly Wrong[] = [
  {
    name: "an unknown key with a near one",
    text: `hostnam = "x"\n${head}${listener}`,
    code: "config-unknown-key",
    place: "1:1",
    key: "hostnam",
    message: /unknown key "hostnam"; did you mean "hostname"\?/,
  },
  {
    name: "an unknown key spelled in another style, in a table of an array",
    text: `${head}${listener}bareLineEnds = "repair"\n`,
    code: "config-unknown-key",
    place: "5:1",
    key: "listener[0].bareLineEnds",
    message: /did you mean "bare_line_ends"/,
  },
  {
    name: "an unknown key with no near one",
    text: `${head}${listener}[relay]\nxylophone = 1\n`,
    code: "config-unknown-key",
    place: "6:1",
    key: "relay.xylophone",
    message: /the keys here are: networks/,
  },
  {
    name: "an unknown section",
    text: `${head}${listener}[limit]\nrecipients = 1\n`,
    code: "config-unknown-key",
    place: "5:2",
    key: "limit",
    message: /did you mean "limits"/,
  },
  {
    name: "a key that would reach every object",
    text: `${head}${listener}[__proto__]\npolluted = true\n`,
    code: "config-unknown-key",
    place: "5:2",
    key: "__proto__",
    message: /unknown key "__proto__"/,
  },
  {
    name: "EAI-008: a hostname that EHLO and the greeting could not show in ASCII",
    text: `hostname = "mail.b\\u00fccher.example"\ndata_dir = "data"\n${listener}`,
    code: "config-invalid-value",
    place: "1:1",
    key: "hostname",
    message: /A-labels/,
  },
  {
    name: "a missing key",
    text: `data_dir = "data"\n${listener}`,
    code: "config-missing-key",
    key: "hostname",
    message: /the key is missing: the server's full name/,
  },
  {
    name: "a missing key in a table",
    text: `${head}${listener}[[route]]\nvia = "mx"\n`,
    code: "config-missing-key",
    place: "5:3",
    key: "route[0].domain",
    message: /the key is missing: domain of the recipient/,
  },
  {
    name: "a value of the wrong type",
    text: `${head}${listener}[limits]\nrecipients = "many"\n`,
    code: "config-invalid-value",
    place: "6:1",
    key: "limits.recipients",
    message: /expected a number, found a text/,
  },
  {
    name: "a fraction for a whole number",
    text: `${head}${listener}[limits]\nrecipients = 100.5\n`,
    code: "config-invalid-value",
    place: "6:1",
    key: "limits.recipients",
    message: /expected a whole number, found the fraction 100.5/,
  },
  {
    name: "a word that is not one of the known ones",
    text: `${head}[[listener]]\nkind = "submision"\n`,
    code: "config-invalid-value",
    place: "4:1",
    key: "listener[0].kind",
    message: /expected "mx".* or .*found "submision"; did you mean "submission"\?/,
  },
  {
    name: "a number that is too small",
    text: `${head}${listener}[limits]\nrecipients = 5\n`,
    code: "config-invalid-value",
    place: "6:1",
    key: "limits.recipients",
    message: /must be at least 100/,
  },
  {
    name: "a time without a unit, inside a list",
    text: `${head}${listener}[queue]\nretry = ["5m",\n  "10"]\n`,
    code: "config-invalid-value",
    place: "7:3",
    key: "queue.retry[1]",
    message: /a number with a unit/,
  },
  {
    name: "a network with bits set after its prefix",
    text: `${head}${listener}[relay]\nnetworks = ["192.0.2.1/24"]\n`,
    code: "config-invalid-value",
    place: "6:13",
    key: "relay.networks[0]",
    message: /no bits set after it/,
  },
  {
    name: "a signing key that is no key",
    text: `${head}${listener}[[dkim.key]]\ndomain = "example.org"\nselector = "mail"\nkey = "secret"\n`,
    code: "config-invalid-value",
    place: "8:1",
    key: "dkim.key[0].key",
    message: /the key is no unencrypted private key in PEM form/,
  },
  {
    name: "a selector that is no name",
    text: `${head}${listener}[[dkim.key]]\ndomain = "example.org"\nselector = "mail_1"\nkey = "secret"\n`,
    code: "config-invalid-value",
    place: "7:1",
    key: "dkim.key[0].selector",
    message: /letters, digits and hyphens/,
  },
  {
    name: "a secret's file that is not there",
    text: `${head}${listener}[admin]\ntoken = { file = "none" }\n`,
    code: "config-secret-unreadable",
    place: "6:1",
    key: "admin.token",
    message: /\/etc\/posthaste\/none cannot be read \(ENOENT\)/,
  },
  {
    name: "a secret's variable that is not set",
    text: `${head}${listener}[admin]\ntoken = { env = "NOT_SET" }\n`,
    code: "config-secret-unreadable",
    place: "6:1",
    key: "admin.token",
    message: /the environment variable NOT_SET is not set/,
  },
  {
    name: "a secret in a form that is none",
    text: `${head}${listener}[admin]\ntoken = { fil = "admin.token" }\n`,
    code: "config-invalid-value",
    place: "6:1",
    key: "admin.token",
    message: /did you mean "file"/,
  },
  {
    name: "a text that TOML does not know",
    text: `${head}listener = [\n`,
    code: "config-syntax",
    place: "4:1",
    key: "",
    message: /./,
  },
  {
    name: "a key given twice",
    text: `hostname = "a.test"\nhostname = "b.test"\n`,
    code: "config-syntax",
    place: "2:1",
    key: "",
    message: /multiple times/,
  },
  { name: "octets that are not UTF-8", text: "# \xff\n", code: "config-syntax", key: "", message: /not UTF-8/ },
  {
    name: "no listener",
    text: head,
    code: "config-no-listener",
    key: "",
    message: /no \[\[listener\]\]/,
  },
  {
    name: "two listeners on one address, one of them by default",
    text: `${head}${listener}[[listener]]\nkind = "submission"\nlisten = "127.0.0.1:25"\n`,
    code: "config-duplicate-listener",
    place: "7:1",
    key: "listener[1].listen",
    message: /listener 1 \(mx\) already uses 127.0.0.1:25/,
  },
  {
    name: "[admin] on a listener's address",
    text: `${head}[[listener]]\nkind = "mx"\nlisten = "127.0.0.1:8025"\n`,
    code: "config-duplicate-listener",
    key: "admin.listen",
    message: /listener 1 \(mx\) already uses/,
  },
  {
    name: "[mta_sts] on a listener's address",
    text: `${head}[[listener]]\nkind = "submissions"\nlisten = "[::]:443"\n[mta_sts]\nlisten = "192.0.2.1:443"\n`,
    code: "config-duplicate-listener",
    key: "mta_sts.listen",
    message: /listener 1 \(submissions\) already uses 192\.0\.2\.1:443; give one of them another port/,
  },
  {
    name: "tls-alpn-01 at the usual port of [mta_sts]",
    text: `${head}${listener}[mta_sts]\nlisten = "192.0.2.1:443"\n[tls]\nacme = ${acme.replace("}", ', challenge = "tls-alpn-01" }')}\n`,
    code: "config-duplicate-listener",
    key: "tls.acme",
    message:
      /mta_sts\.listen already uses \[::\]:443; tls-alpn-01 needs it to get certificates; use challenge = "http-01" or "dns-01", or another port in tls\.acme\.listen behind a proxy/,
  },
  {
    name: "http-01 at the address of [admin]",
    text: `${head}${listener}[tls]\nacme = ${acme.replace("}", ', listen = "127.0.0.1:8025" }')}\n`,
    code: "config-duplicate-listener",
    key: "tls.acme.listen",
    message: /admin\.listen already uses 127\.0\.0\.1:8025; http-01 needs it .*use challenge = "tls-alpn-01" or/,
  },
  {
    name: "LMTP-005: lmtp on TCP port 25",
    text: `${head}[[listener]]\nkind = "lmtp"\nlisten = "127.0.0.1:25"\n`,
    code: "config-listener-port",
    place: "5:1",
    key: "listener[0].listen",
    message: /RFC 2033 §5/,
  },
  {
    name: "lmtp without an address",
    text: `${head}[[listener]]\nkind = "lmtp"\n`,
    code: "config-missing-key",
    place: "3:3",
    key: "listener[0].listen",
    message: /no default address/,
  },
  {
    name: "admin open to the world without a token",
    text: `${head}${listener}[admin]\nlisten = "0.0.0.0:8025"\n`,
    code: "config-admin-exposed",
    place: "6:1",
    key: "admin.listen",
    message: /set token/,
  },
  {
    name: "a certificate without its key",
    text: `${head}${listener}[tls]\ncertificate = "cert.pem"\n`,
    code: "config-tls-incomplete",
    place: "6:1",
    key: "tls.certificate",
    message: /certificate is set without key/,
  },
  {
    name: "a certificate from a file and by ACME",
    text: `${head}${listener}[tls]\ncertificate = "c.pem"\nkey = "k.pem"\nacme = ${acme}\n`,
    code: "config-acme",
    place: "8:1",
    key: "tls.acme",
    message: /remove certificate and key, or acme/,
  },
  {
    name: "ACME by DNS without a program that publishes",
    text: `${head}${listener}[tls.acme]\nemail = "a@example.org"\ndirectory = "https://ca.test"\nagree = true\nchallenge = "dns-01"\n`,
    code: "config-acme",
    place: "9:1",
    key: "tls.acme.challenge",
    message: /dns-01 needs hook/,
  },
  {
    name: "a wildcard by HTTP-01",
    text: `${head}${listener}[tls.acme]\nnames = ["*.example.org"]\nemail = "a@example.org"\ndirectory = "https://ca.test"\nagree = true\n`,
    code: "config-acme",
    place: "6:1",
    key: "tls.acme.names",
    message: /can only be proven by DNS/,
  },
  {
    name: "ACME without agreeing to its terms",
    text: `${head}${listener}[tls]\nacme = ${acme.replace("true", "false")}\n`,
    code: "config-invalid-value",
    place: "6:70",
    key: "tls.acme.agree",
    message: /write agree = true once you have read/,
  },
  {
    name: "a user of a domain that is not declared",
    text: `${head}${listener}[[user]]\naddress = "ann@example.org"\n`,
    code: "config-account",
    place: "5:3",
    key: "user[0]",
    message: /example.org is not declared/,
  },
  {
    name: "a password in clear",
    text: `${head}${listener}[[domain]]\nname = "example.org"\n[[user]]\naddress = "ann@example.org"\npassword = "secret"\n`,
    code: "config-invalid-value",
    place: "9:1",
    key: "user[0].password",
    message: /write a password hash/,
  },
  {
    name: "an address that is a user and an alias",
    text: `${head}${listener}[[domain]]\nname = "example.org"\n[[user]]\naddress = "ann@example.org"\n[[alias]]\naddress = "Ann@Example.org"\nto = ["bob@elsewhere.test"]\n`,
    code: "config-account",
    place: "9:3",
    key: "alias[0]",
    message: /declared twice/,
  },
  {
    name: "an alias that expands to itself",
    text: `${head}${listener}[[domain]]\nname = "example.org"\n[[alias]]\naddress = "a@example.org"\nto = ["a@example.org"]\n`,
    code: "config-account",
    place: "7:3",
    key: "alias[0]",
    message: /expands to itself/,
  },
  {
    name: "a relay route without a host",
    text: `${head}${listener}[[route]]\ndomain = "*"\nvia = "relay"\n`,
    code: "config-route-incomplete",
    place: "7:1",
    key: "route[0].via",
    message: /needs host/,
  },
  {
    name: "a relay host that cannot be read",
    text: `${head}${listener}[[route]]\ndomain = "*"\nvia = "relay"\nhost = "relay.test:smtp"\n`,
    code: "config-route-incomplete",
    place: "8:1",
    key: "route[0].host",
    message: /write host as/,
  },
  {
    name: "a login over TLS that nobody verified",
    text: `${head}${listener}[[route]]\ndomain = "*"\nvia = "relay"\nhost = "relay.test:587"\nauth = { username = "u", password = { env = "RELAY_PASSWORD" } }\ntls = "required"\n`,
    code: "config-route-clear-login",
    place: "10:1",
    key: "route[0].tls",
    message: /sent only over verified TLS/,
  },
  {
    name: "authorities of a route that are not there",
    text: `${head}${listener}[[route]]\ndomain = "*"\nvia = "relay"\nhost = "relay.test"\nca = "ca.pem"\n`,
    code: "config-ca-unusable",
    place: "9:1",
    key: "route[0].ca",
    message: /^\/etc\/posthaste\/ca\.pem cannot be read \(ENOENT\)$/,
  },
  {
    name: "authorities of a route whose certificates nobody looks at",
    text: `${head}${listener}[[route]]\ndomain = "*"\nvia = "relay"\nhost = "relay.test"\ntls = "opportunistic"\nca = "house-ca.pem"\n`,
    code: "config-route-unused-key",
    place: "10:1",
    key: "route[0].ca",
    message: /only if certificates are verified/,
  },
  {
    name: "certificates of clients where nobody signs in",
    text: `${head}[[listener]]\nkind = "mx"\nclient_certificates = true\n`,
    code: "config-listener-unused-key",
    place: "5:1",
    key: "listener[0].client_certificates",
    message: /^a mx listener has no logins; remove client_certificates, or use relay\.keys$/,
  },
  {
    name: "a key that the kind of route does not use",
    text: `${head}${listener}[[route]]\ndomain = "*"\nvia = "discard"\nhost = "relay.test"\n`,
    code: "config-route-unused-key",
    place: "8:1",
    key: "route[0].host",
    message: /does not use host/,
  },
  {
    name: "a warning after the end",
    text: `${head}${listener}[queue]\nwarn_after = "6d"\n`,
    code: "config-queue-times",
    place: "6:1",
    key: "queue.warn_after",
    message: /warned after 6d, but delivery has already failed after 5d/,
  },
  {
    name: "a data_dir that is a file",
    text: `hostname = "mail.example.org"\ndata_dir = "posthaste.toml"\n${listener}`,
    code: "config-data-dir",
    place: "2:1",
    key: "data_dir",
    message: /is not a folder/,
  },
];

for (const wrong of wrongs) {
  test(`the loader names place, key and remedy: ${wrong.name}`, async () => {
    const problems = await problemsOf(wrong.text);
    assert.equal(problems.length, 1, problems.map(formatProblem).join("\n"));
    const [problem] = problems;
    assert.ok(problem);
    assert.equal(problem.code, wrong.code);
    assert.equal(formatSettingPath(problem.path), wrong.key);
    assert.match(problem.message, wrong.message);
    const { position } = problem;
    if (wrong.place !== undefined) assert.equal(`${position?.line}:${position?.column}`, wrong.place);
    assert.equal(problem.file, file);
  });
}

test("each code of a configuration's problems is met by a test", () => {
  const elsewhere: readonly ConfigProblemCode[] = [
    "config-unreadable",
    "config-module",
    "config-tls-unreadable",
    "config-tls-unusable",
  ];
  assert.deepEqual(
    (Object.keys(configProblems) as ConfigProblemCode[]).filter(
      (code) => !elsewhere.includes(code) && !wrongs.some((wrong) => wrong.code === code),
    ),
    [],
  );
});

test("all problems come at once, in order of lines", async () => {
  const problems = await problemsOf(
    'data_dir = 5\nhostname = ""\n[[listener]]\nkind = "mx"\nlisten = "x"\nport = 25\n',
  );
  assert.deepEqual(
    problems.map(({ position, path }) => `${position?.line} ${formatSettingPath(path)}`),
    ["1 data_dir", "2 hostname", "5 listener[0].listen", "6 listener[0].port"],
  );
  assert.match(
    formatProblem(problems[0] ?? assert.fail()),
    /^\/etc\/posthaste\/posthaste\.toml:1:1: data_dir: expected|a path is text/,
  );
});

test("tables and arrays that are nested without end are a problem with a place, and read in linear time", async () => {
  const texts = [
    `a = ${"[".repeat(5000)}${"]".repeat(5000)}`,
    `a${".a".repeat(200_000)} = 1`,
    `[${"a.".repeat(200_000)}a]`,
  ];
  for (const text of texts) {
    const problems = await problemsOf(text);
    assert.equal(problems.length, 1);
    assert.match(problems[0]?.message ?? "", /nested/);
  }
});

test("the shortest configuration gets every default", async () => {
  const { settings } = await loadSettings(
    file,
    await sourcesWith(`#:schema ./posthaste.schema.json\n${head}${listener}`),
  );
  assert.equal(settings.hostname, "mail.example.org");
  assert.equal(settings.data_dir, "/etc/posthaste/data");
  assert.equal(settings.queue.expire, 5 * 86_400_000);
  assert.deepEqual(settings.queue.retry.slice(0, 2), [300_000, 600_000]);
  assert.equal(settings.limits.message_size, 50_000_000);
  assert.deepEqual(settings.admin.listen, { kind: "ip", address: "127.0.0.1", port: 8025 });
});

test("dns-01 and http-01 leave port 443 to the MTA-STS policy, and one port may be used on two addresses", async () => {
  const policy = `[mta_sts]\nlisten = "[::]:443"\n`;
  const http = `[tls]\nacme = ${acme}\n`;
  const dns = `[tls]\nacme = ${acme.replace("}", ', challenge = "dns-01", hook = ["/etc/hook"] }')}\n`;
  const apart = `[mta_sts]\nlisten = "192.0.2.1:443"\n[tls]\nacme = ${acme.replace("}", ', challenge = "tls-alpn-01", listen = "192.0.2.2:443" }')}\n`;
  for (const text of [policy + http, policy + dns, apart]) {
    const { settings } = await loadSettings(file, await sourcesWith(`${head}${listener}${text}`));
    assert.equal(settings.mta_sts.listen?.kind, "ip");
  }
});

test("the authorities of a route are read from their file; what is in it besides them is left out", async () => {
  const route = `${head}${listener}[[route]]\ndomain = "*"\nvia = "relay"\nhost = "relay.test"\nca = "ca.pem"\n`;
  const two = `Subject: House CA\r\n${houseCa}\n# the next\n${houseCa}`;
  const { settings } = await loadSettings(file, await sourcesWith(route, { "ca.pem": two }));
  assert.equal(settings.route[0]?.ca, `${houseCa.trim()}\n${houseCa.trim()}`);
  for (const [content, message] of [
    ["-----BEGIN PRIVATE KEY-----", /holds no PEM certificate/],
    ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", /holds a certificate that cannot be read/],
  ] as const) {
    assert.match((await problemsOf(route, { "ca.pem": content }))[0]?.message ?? "", message);
  }
});

test("aliases may lead to users that are not in the file: posthaste user makes them", async () => {
  const aliases =
    '[[alias]]\naddress = "info@example.org"\nto = ["all@example.org"]\n[[alias]]\naddress = "all@example.org"\nto = ["ann@example.org"]\n';
  const domain = '[[domain]]\nname = "example.org"\ncatch_all = "ann@example.org"\n';
  const { settings } = await loadSettings(file, await sourcesWith(`${head}${listener}${domain}${aliases}`));
  assert.equal(settings.alias.length, 2);
});

test("secrets come from files and variables, paths start at the file's folder", async () => {
  const text = `${head}${listener}[admin]\ntoken = { file = "admin.token" }\nlisten = "unix:admin.sock"\n[tls]\ncertificate = "../tls/cert.pem"\nkey = "/key.pem"
[[domain]]\nname = "example.org"\n[[user]]\naddress = "ann@example.org"\npassword = ["$argon2id$inline", { env = "RELAY_PASSWORD" }]
[[route]]\ndomain = "*"\nvia = "maildir"\npath = "mail/{user}"\n`;
  const { settings, positionOf } = await loadSettings(
    file,
    await sourcesWith(text, { "admin.token": "a token of some length\r\n" }),
  );
  assert.equal(settings.admin.token, "a token of some length");
  assert.deepEqual(settings.admin.listen, { kind: "unix", path: "/etc/posthaste/admin.sock" });
  assert.equal(settings.tls.certificate, "/etc/tls/cert.pem");
  assert.equal(settings.tls.key, "/key.pem");
  assert.deepEqual(settings.user[0]?.password, ["$argon2id$inline", "$argon2id$environment"]);
  assert.equal(settings.route[0]?.path, "/etc/posthaste/mail/{user}");
  assert.deepEqual(positionOf(["route", 0, "path"]), { line: 19, column: 1 });
});

test("a file that is not there is told as such", async () => {
  const sources = await sourcesWith(head);
  await assert.rejects(loadSettings(`${folder}/none.toml`, sources), (error: ConfigError) => {
    assert.equal(error.problems[0]?.code, "config-unreadable");
    return /cannot be read \(ENOENT\)/.test(error.message);
  });
});

test("a module gives the same shape, without places", async () => {
  const sources = await sourcesWith(head);
  const config = defineConfig({ hostname: "mail.example.org", data_dir: "data", listener: [{ kind: "mx" }] });
  const load = (value: unknown) =>
    loadSettings(`${folder}/posthaste.config.ts`, {
      ...sources,
      importModule: () => (value instanceof Error ? Promise.reject(value) : Promise.resolve({ default: value })),
    });
  assert.equal((await load(config)).settings.data_dir, "/etc/posthaste/data");
  await assert.rejects(load({ ...config, hostnam: "x" }), /hostnam: unknown key .*hostname.*\[config-unknown-key\]/);
  await assert.rejects(load(undefined), /export default defineConfig.*\[config-module\]/);
  await assert.rejects(load(new Error("boom")), /cannot be loaded: boom \[config-module\]/);
});

test("signing keys come from files, and two of them cannot have one name", async () => {
  const key = (domain: string) =>
    `[[dkim.key]]\ndomain = "${domain}"\nselector = "mail"\nkey = { file = "mail.pem" }\n`;
  const files = { "mail.pem": testKey("rsa") };
  const sources = await sourcesWith(`${head}${listener}${key("example.org")}`, files);
  const { settings } = await loadSettings(file, sources);
  assert.match(settings.dkim.key[0]?.key ?? "", /^-----BEGIN PRIVATE KEY-----/);
  const [problem] = await problemsOf(`${head}${listener}${key("Example.org")}${key("example.org")}`, files);
  assert.match(problem?.message ?? "", /another key has the name mail\._domainkey\.example\.org, too/);
});
