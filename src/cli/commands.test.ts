import { annCertificate } from "../testing/client-certificates.ts";
import { test } from "node:test";
import assert from "node:assert/strict";
import { type ApiCall, TestTerminal } from "../testing/cli-terminal.ts";

const recipient = {
  message: "4QJ7ZC2M9KXD",
  index: 0,
  from: "ann@example.org",
  to: "bob@elsewhere.test",
  accepted_as: "bob@elsewhere.test",
  state: "scheduled",
  attempts: 2,
  due: "2026-01-01T00:04:00.000Z",
  last_reply: "451 4.3.0 later\x1b]0;owned\x07",
  held: null,
  why: 'Attempt 2 was deferred: "451 4.3.0 later\x1b]0;owned\x07".',
  waits_at: null,
  waits_until: "2026-01-01T00:04:00.000Z",
  received_at: "2026-01-01T00:00:00.000Z",
  size: 1234,
  subject: "Hi",
};

test("queue list shows rows for people and JSON for scripts, and never a peer's control characters", async () => {
  const api = () => ({ body: { recipients: [recipient], next: "4QJ7ZC2M9KXD/0" } });
  const { code, stdout, stderr, calls, dataDirs } = await new TestTerminal().run(
    "queue list --data-dir data --domain elsewhere.test --limit 1",
    { api },
  );
  assert.equal(code, 0);
  assert.deepEqual(dataDirs, ["/home/ann/data"]);
  assert.equal(calls[0]?.path, "/api/v1/queue?domain=elsewhere.test&limit=1");
  assert.match(
    stdout,
    /4QJ7ZC2M9KXD {2}scheduled {2}in 4 min {6}2 {2}ann@example\.org {2}bob@elsewhere\.test {2}Attempt 2 was deferred: "451 4\.3\.0 later/,
  );
  assert.equal(stdout.includes("\x1b"), false);
  assert.match(stderr, /--after 4QJ7ZC2M9KXD\/0/);
  const json = await new TestTerminal().run("queue list --data-dir data --json", { api });
  assert.deepEqual(JSON.parse(json.stdout), api().body);
  assert.equal(json.stderr, "");
});

test("colours show on a terminal only, and NO_COLOR turns them off", async () => {
  const api = () => ({ body: { recipients: [recipient], next: null } });
  const colourful = await new TestTerminal().run("queue list --data-dir d", { api, terminal: true });
  assert.ok(colourful.stdout.includes("\x1b[1m"));
  const plain = await new TestTerminal().run("queue list --data-dir d", {
    api,
    terminal: true,
    environment: { NO_COLOR: "1" },
  });
  assert.equal(plain.stdout.includes("\x1b"), false);
});

test("without a server the spool answers, and stderr says so", async () => {
  const api = () => ({ body: { scheduled: 1, claimed: 0, held: 2, oldest_seconds: 7200 } });
  const { stdout, stderr } = await new TestTerminal().run("queue stats --data-dir /data", { api, running: false });
  assert.match(stdout, /1 recipient scheduled, 0 being delivered, 2 held\nThe oldest message is 2 h old/);
  assert.match(stderr, /No server is running in \/data; this command opens the spool directly/);
});

test("nothing found is said on stderr, and a script gets an empty list", async () => {
  const api = () => ({ body: { recipients: [], next: null } });
  const { code, stdout, stderr } = await new TestTerminal().run("queue list --data-dir d", { api });
  assert.deepEqual([code, stdout], [0, ""]);
  assert.match(stderr, /Nothing in the queue matches/);
});

test("bulk verbs count first, ask on a terminal, and change nothing without a yes", async () => {
  const api = ({ json }: ApiCall) => ({
    body: (json as { dry_run?: boolean }).dry_run ? { count: 12, more: false } : { count: 12, under_way: 3 },
  });
  const terminal = new TestTerminal();
  const no = await terminal.run("queue hold --domain x.test --data-dir d", { api, terminal: true, answers: ["n"] });
  assert.match(no.questions[0] ?? "", /^12 recipients match\. Hold them\? \[y\/N\] $/);
  assert.equal(no.calls.length, 1);
  assert.match(no.stderr, /Nothing was changed/);
  const yes = await terminal.run(["queue", "hold", "--domain", "x.test", "--reason", "wrong link", "--data-dir", "d"], {
    api,
    terminal: true,
    answers: ["y"],
  });
  assert.equal(yes.code, 0);
  assert.match(yes.stderr, /12 recipients held; 3 are being delivered and were left alone\./);
  assert.deepEqual(yes.calls[1], {
    path: "/api/v1/queue/hold",
    method: "POST",
    json: { domain: "x.test", reason: "wrong link" },
  });
  const piped = await terminal.run("queue hold --domain x.test --data-dir d", { api });
  assert.equal(piped.code, 64);
  assert.match(piped.stderr, /This would hold 12 recipients\. No terminal to ask on: add --yes/);
  assert.equal(piped.calls.length, 1);
  const sure = await terminal.run("queue release 4qj7zc2m9kxd --yes --json --data-dir d", { api });
  assert.deepEqual(JSON.parse(sure.stdout), { count: 12, under_way: 3, changed: true });
  assert.deepEqual(sure.calls[1]?.json, { state: "held", message: "4QJ7ZC2M9KXD" });
  const dry = await terminal.run("queue remove --all --dry-run --data-dir d", { api });
  assert.equal(dry.calls.length, 1);
  assert.match(dry.stderr, /12 recipients match; nothing was changed/);
});

test("the API's refusals end commands with its words and a code that fits", async () => {
  for (const [status, code] of [
    [404, 65],
    [504, 75],
    [400, 64],
    [409, 65],
    [500, 69],
    [503, 75],
  ] as const) {
    const { code: given, stderr } = await new TestTerminal().run("explain 4QJ7ZC2M9KXD --data-dir d", {
      api: () => ({ status, body: { error: "its own words" } }),
    });
    assert.equal(given, code);
    assert.match(stderr, /its own words/);
  }
});

test("explain passes JSON on whole and tells people in sentences", async () => {
  const body = {
    message: {
      id: "4QJ7ZC2M9KXD",
      received_at: "2026-01-01T00:00:00.000Z",
      from: "ann@example.org",
      size: 1234,
      listener: "mx",
      protocol: "ESMTP",
      expires_at: "2026-01-06T00:00:00.000Z",
    },
    recipients: [{ address: "bob@elsewhere.test", state: "held", attempts: 1, why: "It is held.", next: "It waits." }],
    timeline: [{ at: "2026-01-01T00:00:00.000Z", kind: "message-accepted", text: "Accepted." }],
  };
  const api = () => ({ body });
  const people = await new TestTerminal().run("explain 4qj7zc2m9kxd --data-dir d", { api });
  assert.equal(people.calls[0]?.path, "/api/v1/messages/4QJ7ZC2M9KXD");
  assert.match(people.stdout, /bob@elsewhere\.test: held\n {2}why {3}It is held\./);
  const script = await new TestTerminal().run("explain 4QJ7ZC2M9KXD --json --data-dir d", { api });
  assert.deepEqual(JSON.parse(script.stdout), body);
});

const users = {
  users: [
    { address: "ann@example.org", source: "data" },
    { address: "bob@example.org", source: "file" },
  ],
};

test("user add asks twice on a terminal, reads a file off it, and makes a password where asked to", async () => {
  const terminal = new TestTerminal();
  const api = ({ method }: ApiCall) => ({ body: method === "GET" ? users : {} });
  const asked = await terminal.run("user add eve@example.org --data-dir d", {
    api,
    terminal: true,
    answers: ["s3cret", "s3cret"],
  });
  assert.equal(asked.code, 0);
  assert.deepEqual(asked.calls[0]?.json, { address: "eve@example.org", password: "s3cret" });
  assert.equal(`${asked.stdout}${asked.stderr}`.includes("s3cret"), false);
  const differ = await terminal.run("user add eve@example.org --data-dir d", {
    api,
    terminal: true,
    answers: ["a", "b"],
  });
  assert.deepEqual([differ.code, differ.calls.length], [65, 0]);
  const piped = await terminal.run("user add eve@example.org --data-dir d", { api });
  assert.equal(piped.code, 64);
  assert.equal(piped.questions.length, 0, "nothing is asked off a terminal");
  const input = await terminal.run("user add eve@example.org --password-file - --data-dir d", {
    api,
    input: "from pipe\n",
  });
  assert.deepEqual(input.calls[0]?.json, { address: "eve@example.org", password: "from pipe" });
  const made = await terminal.run("user add eve@example.org --generate --data-dir d", { api });
  assert.match(made.stdout, /^[\w-]{24}\n$/);
  assert.deepEqual(made.calls[0]?.json, { address: "eve@example.org", password: made.stdout.trim() });
});

test("user passwd and remove: exit 67 where there is no such user, and hands off those of the file", async () => {
  const terminal = new TestTerminal();
  const api = ({ method }: ApiCall) => ({ body: method === "GET" ? users : {} });
  assert.equal((await terminal.run("user remove eve@example.org --yes --data-dir d", { api })).code, 67);
  const declared = await terminal.run("user passwd bob@example.org --generate --data-dir d", { api });
  assert.equal(declared.code, 65);
  assert.match(declared.stderr, /declared in the configuration file/);
  const unsure = await terminal.run("user remove ann@example.org --data-dir d", { api });
  assert.equal(unsure.code, 64);
  const removed = await terminal.run("user remove ann@example.org --yes --data-dir d", { api });
  assert.equal(removed.code, 0);
  assert.deepEqual(removed.calls[1], { path: "/api/v1/users/ann%40example.org", method: "DELETE", json: undefined });
  const list = await terminal.run("user list --data-dir d", { api });
  assert.match(list.stdout, /ann@example\.org {2}data directory\nbob@example\.org {2}configuration file/);
});

const captured = {
  id: "4QJ7ZC2M9KXD",
  from: "app@example.org",
  to: ["ann@example.org"],
  subject: "Sign in",
  received_at: "2026-01-01T00:00:00.000Z",
  size: 900,
  text: "Your code is 123456\r\n",
  html: null,
  links: ["https://example.org/in"],
  codes: ["123456"],
};

const page = { messages: [captured], next: null, total: 1 };

test("inbox commands speak to the dev server's data unless another is named", async () => {
  const terminal = new TestTerminal();
  const api = ({ path, method }: ApiCall) => ({
    body: method === "DELETE" ? { deleted: 1 } : /inbox(\?|$)/.test(path) ? page : captured,
  });
  const list = await terminal.run("inbox list --to ann@example.org --subject-contains Sign", { api });
  assert.deepEqual(list.dataDirs, ["/home/ann/.local/state/posthaste-dev"]);
  assert.equal(list.calls[0]?.path, "/api/v1/inbox?to=ann%40example.org&subject_contains=Sign");
  assert.match(list.stdout, /4QJ7ZC2M9KXD {2}now {7}900 B {2}app@example\.org {2}ann@example\.org {2}Sign in/);
  const state = await terminal.run("inbox list", { api, environment: { XDG_STATE_HOME: "/state" } });
  assert.deepEqual(state.dataDirs, ["/state/posthaste-dev"]);
  const newest = await terminal.run("inbox show", { api });
  assert.equal(newest.calls[1]?.path, "/api/v1/inbox/4QJ7ZC2M9KXD");
  assert.match(
    newest.stdout,
    /Subject: Sign in\n\nYour code is 123456\n\nCodes: 123456\nLinks:\n {2}https:\/\/example\.org\/in\n$/,
  );
  const wait = await terminal.run(["inbox", "wait", "--subject", "Sign in", "--timeout", "5s", "--json"], { api });
  assert.equal(wait.calls[0]?.path, "/api/v1/inbox/wait?subject=Sign+in&timeout=5000ms");
  assert.deepEqual(JSON.parse(wait.stdout), captured);
  assert.equal((await terminal.run("inbox clear", { api })).code, 64);
  const cleared = await terminal.run("inbox clear --yes", { api });
  assert.equal(cleared.calls[1]?.method, "DELETE");
});

test("inbox show prints a message that has only HTML as text, with names and attachments", async () => {
  const terminal = new TestTerminal();
  const message = {
    ...captured,
    text: "",
    html: "<h1>Welcome</h1><p>Open <a href='https://example.org/in'>your page</a></p>",
    header_from: [{ name: "The Shop", address: "shop@example.org" }],
    cc: [{ name: "", address: "eve@example.org" }],
    attachments: [{ index: 0, filename: "a\u001b[31m.pdf", type: "application/pdf", size: 1200 }],
    left_out: "only the first part is shown",
  };
  const { stdout } = await terminal.run("inbox show 4QJ7ZC2M9KXD", { api: () => ({ body: message }) });
  assert.match(stdout, /Author: {2}The Shop <shop@example\.org>\nCc: {6}eve@example\.org\nSubject: Sign in\n/);
  assert.match(stdout, /\n\nWelcome\s+Open your page\n/);
  assert.match(stdout, /Attachments:\n {2}0 {2}a[^\u001b]*\.pdf {2}application\/pdf {2}1\.2 KB\n/);
  assert.match(stdout, /Note: only the first part is shown\n$/);
});

test("inbox wait in vain ends with 75 and shows what came instead; without a server it does not wait", async () => {
  const terminal = new TestTerminal();
  const body = { error: "no message to a@b.test arrived within 1 s; 1 other did", arrived: [captured] };
  const vain = await terminal.run("inbox wait --to a@b.test --timeout 1s", { api: () => ({ status: 504, body }) });
  assert.equal(vain.code, 75);
  assert.match(vain.stderr, /^posthaste: no message to a@b\.test arrived within 1 s; 1 other did\nID .*\n4QJ7ZC2M9KXD/);
  const three = await terminal.run("inbox wait --count 2 --subject-pattern Sign*", {
    api: () => ({ body: { messages: [captured, captured] } }),
  });
  assert.equal(three.calls[0]?.path, "/api/v1/inbox/wait?subject_pattern=Sign*&count=2&timeout=30000ms");
  assert.equal(three.stdout.match(/Subject: Sign in/g)?.length, 2);
});

test("inbox clear takes a filter and says how much it deleted", async () => {
  const terminal = new TestTerminal();
  const api = ({ method }: ApiCall) => ({ body: method === "DELETE" ? { deleted: 1 } : page });
  const cleared = await terminal.run("inbox clear --to ann@example.org --yes", { api });
  assert.deepEqual(
    cleared.calls.map(({ method, path }) => `${method ?? "GET"} ${path}`),
    ["GET /api/v1/inbox?to=ann%40example.org", "DELETE /api/v1/inbox?to=ann%40example.org"],
  );
  assert.match(cleared.stderr, /Deleted 1 message\.\n$/);
});

test("site rest sends how long and why, and shows the site; site list tells why mail waits there, and until when", async () => {
  const site = {
    ...{ site: "smtp mx a.test:25", description: "mx a.test", waiting: 3, running: 1, limit: 1, normal_limit: 20 },
    ...{ limited_until: null, resting_until: "2100-01-01T00:00:00.000Z", rest_reason: "they are moving" },
    ...{ waits_for: "operator paused the site: they are moving", waits_until: "2100-01-01T00:00:00.000Z" },
    last_reply: "421 4.3.2 closing",
  };
  const terminal = new TestTerminal();
  const rest = await terminal.run(
    ["site", "rest", "a.test", "--for", "2h", "--reason", "they are moving", "--data-dir", "d"],
    { api: () => ({ body: site }) },
  );
  assert.equal(rest.code, 0);
  assert.deepEqual(rest.calls, [
    { path: "/api/v1/sites/rest", method: "POST", json: { site: "a.test", for: "2h", reason: "they are moving" } },
  ]);
  assert.match(rest.stdout, /1 of at most 1 deliveries in progress \(normally 20\)/);
  assert.match(
    rest.stdout,
    /waits until 2100-01-01T00:00:00\.000Z \(in .*\): operator paused the site: they are moving/,
  );
  assert.equal((await terminal.run("site rest a.test --for 2h --data-dir d", {})).code, 64, "a reason is needed");
  const list = await terminal.run("site list --data-dir d", { api: () => ({ body: { sites: [site] } }) });
  assert.match(
    list.stdout,
    /^SITE .*\nsmtp mx a\.test:25 +1\/1 +3 +in \S+ \S+ +operator paused the site: they are moving +421 4\.3\.2 closing\n$/,
  );
  const wake = await terminal.run("site wake a.test --json --data-dir d", {
    api: () => ({ body: { ...site, retried: 2 } }),
  });
  assert.equal((JSON.parse(wake.stdout) as { retried: number }).retried, 2);
});

const shownKey = {
  label: "laptop",
  sha256: "ab".repeat(32),
  created_at: "2026-01-01T00:00:00.000Z",
  expires_at: "2028-01-01T00:00:00.000Z",
  last_used_at: null,
};

test("user key new writes two files, the key for its owner only, and registers the certificate", async () => {
  const terminal = new TestTerminal();
  await terminal.files.makeDirectory("/home/ann");
  const api = () => ({ status: 201, body: shownKey });
  const made = await terminal.run("user key new ann@example.org --label laptop --days 30 --data-dir d", { api });
  assert.equal(made.code, 0, made.stderr);
  const base = "/home/ann/ann@example.org-laptop";
  assert.equal(made.stdout, `${base}.cert.pem\n${base}.key.pem\n`);
  assert.deepEqual(made.calls, [
    {
      path: "/api/v1/users/ann%40example.org/keys",
      method: "POST",
      json: { pem: "certificate of ann@example.org for 30 days\n", label: "laptop" },
    },
  ]);
  assert.equal((await terminal.files.stat(`${base}.key.pem`))?.permissions, 0o600);
  const again = await terminal.run("user key new ann@example.org --label laptop --data-dir d", { api });
  assert.equal(again.code, 65);
  assert.match(again.stderr, /exists already/);
  const refused = await terminal.run("user key new ghost@example.org --label x --data-dir d", {
    api: () => ({ status: 409, body: { error: "there is no user ghost@example.org" } }),
  });
  assert.notEqual(refused.code, 0);
  assert.equal(await terminal.files.stat("/home/ann/ghost@example.org-x.key.pem"), undefined);
});

test("user key add, list, remove and digest", async () => {
  const terminal = new TestTerminal();
  await terminal.files.makeDirectory("/home/ann");
  const { certificatePem } = annCertificate;
  await terminal.files.replaceFile("/home/ann/phone.pem", Buffer.from(certificatePem));
  const api = ({ method }: ApiCall) => ({ body: method === "GET" ? { keys: [shownKey] } : shownKey });
  const added = await terminal.run("user key add ann@example.org phone.pem --data-dir d", { api });
  assert.deepEqual(added.calls[0]?.json, { pem: certificatePem });
  assert.match(added.stderr, /can sign in with the key laptop/);
  const listed = await terminal.run("user key list ann@example.org --data-dir d", { api });
  assert.match(listed.stdout, /laptop +2028-01-01 00:00:00 UTC +never +(?:ab){32}/);
  const none = await terminal.run("user key list ann@example.org --data-dir d", {
    api: () => ({ body: { keys: [] } }),
  });
  assert.match(none.stderr, /has no keys/);
  const removed = await terminal.run("user key remove ann@example.org laptop --data-dir d", { api });
  assert.deepEqual(removed.calls[0], {
    path: "/api/v1/users/ann%40example.org/keys/laptop",
    method: "DELETE",
    json: undefined,
  });
  const digest = await terminal.run("user key digest phone.pem");
  assert.match(digest.stdout, /^[0-9a-f]{64}\n$/);
  for (const [line, code] of [
    ["user key add ann@example.org", 64],
    ["user key remove ann@example.org", 64],
    ["user key change ann@example.org", 64],
    ["user key digest missing.pem", 65],
    ["user key add ann@example.org missing.pem --data-dir d", 65],
  ] as const) {
    assert.equal((await terminal.run(line, { api })).code, code, line);
  }
});

const ban = {
  network: "198.51.100.7",
  service: "submission",
  offence: "failed-login",
  client: "198.51.100.7\x1b]0;owned\x07",
  times: 2,
  since: "2026-01-01T00:00:00.000Z",
  until: "2026-01-01T00:20:00.000Z",
};

test("bans list shows bans for people, bans explain says why or why not, bans lift orders, all with --json", async () => {
  const terminal = new TestTerminal();
  const run = async (line: string, body: unknown) =>
    await terminal.run(`bans ${line} --data-dir d`, { api: () => ({ body }) });
  const listed = await run("list", { bans: [ban] });
  assert.match(listed.stdout, /198\.51\.100\.7 +submission +failed logins +2 +in 20 min/);
  assert.equal(listed.stdout.includes("\x1b"), false);
  assert.match((await run("list", { bans: [] })).stderr, /No network is banned\./);
  assert.deepEqual(JSON.parse((await run("list --json", { bans: [ban] })).stdout), { bans: [ban] });

  const network = { network: "198.51.100.7", never_banned: null, failed_logins: 7, login_wait_seconds: 0 };
  const allowance = [{ service: "mail", offence: "error", left: null }];
  const why = await run("explain 198.51.100.7", { ...network, bans: [ban], allowance });
  assert.equal(why.calls[0]?.path, "/api/v1/bans/explain?of=198.51.100.7");
  assert.match(
    why.stdout,
    /banned from submission until 2026-01-01T00:20:00\.000Z \(in 20 min\): too many failed logins/,
  );
  assert.match(why.stdout, /This is ban 2 in a row\.\n {2}mail, errors: never banned for them\n/);
  const never = await run("explain 10.0.0.1", { ...network, never_banned: "private-address", bans: [], allowance: [] });
  assert.match(never.stdout, /It is never banned: its address is private/);
  const login = await run("explain ann@example.org", {
    login: "ann@example.org",
    failed_logins: 6,
    login_wait_seconds: 2,
  });
  assert.match(
    login.stdout,
    /^ann@example\.org\n {2}6 failed logins remembered; the next attempt has to wait 2 s\.\n$/,
  );

  const lifted = await run("lift 198.51.100.7", { lifted: [ban] });
  assert.deepEqual(
    lifted.calls.map(({ path, method, json }) => [path, method, json]),
    [["/api/v1/bans/lift", "POST", { of: "198.51.100.7" }]],
  );
  assert.match(lifted.stderr, /^Lifted 1 ban; failed logins were forgotten\.\n$/);
});

test("user app-password add prints the password alone to standard output; list and remove go by the label", async () => {
  const terminal = new TestTerminal();
  const shown = {
    label: "phone",
    scopes: ["send", "reports"],
    created_at: "2026-01-01T00:00:00.000Z",
    last_used_at: null,
  };
  const api = ({ method }: ApiCall) => ({
    body: method === "GET" ? { app_passwords: [shown] } : { ...shown, password: "abcd-efgh" },
  });
  const line = "user app-password add ann@example.org --label phone --scope send,reports --data-dir d";
  const added = await terminal.run(line, { api });
  assert.equal(added.stdout, "abcd-efgh\n");
  assert.match(added.stderr, /not shown again/);
  const path = "/api/v1/users/ann%40example.org/app-passwords";
  const json = { scopes: ["send", "reports"], label: "phone" };
  assert.deepEqual(added.calls, [{ path, method: "POST", json }]);
  const listed = await terminal.run("user app-password list ann@example.org --data-dir d", { api });
  assert.match(listed.stdout, /phone +send,reports +2026-01-01 00:00:00 UTC +never/);
  const removed = await terminal.run("user app-password remove ann@example.org phone --data-dir d", { api });
  assert.deepEqual(removed.calls, [{ path: `${path}/phone`, method: "DELETE", json: undefined }]);
  const none = await terminal.run("user app-password list ann@example.org --data-dir d", {
    api: () => ({ body: { app_passwords: [] } }),
  });
  assert.match(none.stderr, /has no app passwords/);
  for (const wrong of [
    "user app-password add ann@example.org --scope everything --data-dir d",
    "user app-password remove ann@example.org",
    "user app-password change ann@example.org",
  ]) {
    assert.equal((await terminal.run(wrong, { api })).code, 64, wrong);
  }
});

test("user grant adds, lists and removes as whom a user may send", async () => {
  const terminal = new TestTerminal();
  const grants = [
    { address: "support@example.org", source: "file" },
    { address: "*@example.org", source: "data" },
  ];
  const api = ({ method }: ApiCall) => ({ body: method === "GET" ? { grants } : {} });
  const path = "/api/v1/users/ann%40example.org/grants";
  const added = await terminal.run("user grant add ann@example.org *@example.org --data-dir d", { api });
  assert.deepEqual(added.calls, [{ path, method: "POST", json: { address: "*@example.org" } }]);
  assert.match(added.stderr, /^ann@example\.org may send as \*@example\.org\.\n$/);
  const listed = await terminal.run("user grant list ann@example.org --data-dir d", { api });
  assert.match(listed.stdout, /support@example\.org +configuration file\n\*@example\.org +data directory/);
  const none = await terminal.run("user grant list ann@example.org --data-dir d", {
    api: () => ({ body: { grants: [] } }),
  });
  assert.match(none.stderr, /has no grants/);
  const removed = await terminal.run("user grant remove ann@example.org *@example.org --data-dir d", { api });
  assert.deepEqual(removed.calls, [{ path: `${path}/*%40example.org`, method: "DELETE", json: undefined }]);
  assert.equal((await terminal.run("user grant add ann@example.org", { api })).code, 64);
  assert.equal((await terminal.run("user grant change ann@example.org x@example.org", { api })).code, 64);
});
