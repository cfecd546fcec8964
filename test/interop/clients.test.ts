/**
 * Programs and libraries that applications send with, each with its own defaults, to `posthaste dev` with its own: all must
 * get through, since an application under development should not have to know that it speaks to a test inbox.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { after, before, describe, test } from "node:test";
import { createTransport } from "nodemailer";
import { type DevServer, startDev } from "./support/dev.ts";
import { runProgram, until } from "./support/program.ts";

const programs = fileURLToPath(new URL("clients/", import.meta.url));
const message = (subject: string, lineEnd = "\n") =>
  ["From: shop@example.org", "To: ann@example.org", `Subject: ${subject}`, "", "Your code is 123456", ""].join(lineEnd);
/** Debian's, whatever else is on the PATH. */
const python = "/usr/bin/python3";

interface Client {
  readonly command: string;
  readonly args: readonly string[];
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** How each is called; `subject` is what the message must bear. */
const clients: Readonly<Record<string, (server: DevServer, subject: string) => Client | Promise<Client>>> = {
  "PHP: PHPMailer": () => ({ command: "php", args: [`${programs}phpmailer.php`] }),
  "PHP: Symfony Mailer, with a login": () => ({ command: "php", args: [`${programs}symfony.php`] }),
  "PHP: mail(), through msmtp": ({ smtpPort }) => {
    const sendmail = `msmtp --file=/dev/null --host=127.0.0.1 --port=${smtpPort} --read-envelope-from -t`;
    return { command: "php", args: ["-d", `sendmail_path="${sendmail}"`, `${programs}mail-function.php`] };
  },
  "Ruby: mail": () => ({ command: "ruby", args: [`${programs}ruby-mail.rb`] }),
  "Ruby: ActionMailer of Rails": () => ({ command: "ruby", args: [`${programs}rails.rb`] }),
  "Perl: Email::Sender": () => ({ command: "perl", args: [`${programs}email-sender.pl`] }),
  "Python: smtplib, with a login": () => ({ command: python, args: [`${programs}smtplib_send.py`] }),
  "Python: Django": () => ({ command: python, args: [`${programs}django_send.py`] }),
  "Java: JavaMail": async ({ folder }) => {
    const jars = "/usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar";
    const target = folder.file("classes");
    const compiled = await runProgram("ecj", [
      "-11",
      "-proc:none",
      "-cp",
      jars,
      "-d",
      target,
      `${programs}SendMail.java`,
    ]);
    assert.equal(compiled.status, 0, compiled.output);
    return { command: "java", args: ["-cp", `${jars}:${target}`, "SendMail"] };
  },
  "Go: smtp.SendMail, with PlainAuth": ({ folder }) => ({
    command: "go",
    args: ["run", `${programs}sendmail.go`],
    env: { GOCACHE: folder.file("go-cache"), GOFLAGS: "-mod=mod", GOTOOLCHAIN: "local", HOME: folder.path },
  }),
  "Python: smtplib.sendmail with as_bytes(), which sends LF": () => ({
    command: python,
    args: [`${programs}smtplib_bytes.py`],
  }),
  "curl, with a file of LF lines": (server, subject) => curl(server, subject),
  "curl, with --crlf": (server, subject) => curl(server, subject, "--crlf"),
  swaks: ({ smtpPort }, subject) => ({
    command: "swaks",
    args: ["--server", `127.0.0.1:${smtpPort}`, "--from", "shop@example.org", "--to", "ann@example.org"].concat(
      "--header",
      `Subject: ${subject}`,
    ),
  }),
  "s-nail": ({ smtpPort }, subject) => ({
    command: "s-nail",
    args: [
      "-:/",
      "-Sv15-compat",
      `-Smta=smtp://127.0.0.1:${smtpPort}`,
      "-Ssmtp-auth=none",
      "-r",
      "shop@example.org",
    ].concat("-s", subject, "ann@example.org"),
    input: "Your code is 123456\n",
  }),
  msmtp: ({ smtpPort }, subject) => ({
    command: "msmtp",
    args: ["--file=/dev/null", "--host=127.0.0.1", `--port=${smtpPort}`, "--from=shop@example.org", "ann@example.org"],
    input: message(subject),
  }),
  "git send-email": ({ folder, smtpPort }, subject) => {
    const patch = `From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n${message(subject)}`;
    writeFileSync(folder.file("1.patch"), patch);
    const options = [
      "--smtp-server=127.0.0.1",
      `--smtp-server-port=${smtpPort}`,
      "--confirm=never",
      "--suppress-cc=all",
    ];
    return {
      command: "git",
      args: ["send-email", ...options, "--from=shop@example.org", "--to=ann@example.org", folder.file("1.patch")],
      env: {
        HOME: folder.path,
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_AUTHOR_NAME: "Shop",
        GIT_AUTHOR_EMAIL: "a@example.org",
        GIT_COMMITTER_NAME: "Shop",
        GIT_COMMITTER_EMAIL: "a@example.org",
      },
    };
  },
  "mutt, with ssl_force_tls=no": ({ folder, smtpPort }, subject) => ({
    command: "mutt",
    args: muttArguments(folder.path, smtpPort, subject, "set ssl_force_tls=no"),
    input: "Your code is 123456\n",
  }),
};

function curl({ folder, smtpPort }: DevServer, subject: string, ...options: readonly string[]): Client {
  const file = folder.file(`${subject}.txt`);
  writeFileSync(file, message(subject));
  const addresses = ["--mail-from", "shop@example.org", "--mail-rcpt", "ann@example.org"];
  const target = `smtp://127.0.0.1:${smtpPort}`;
  return {
    command: "curl",
    args: ["--silent", "--show-error", target, ...addresses, "--upload-file", file, ...options],
  };
}

function muttArguments(home: string, port: number, subject: string, ...commands: readonly string[]): readonly string[] {
  const settings = [`set smtp_url=smtp://127.0.0.1:${port}`, "set from=shop@example.org", "set copy=no", ...commands];
  const folder = `set folder=${home}`;
  return [
    "-n",
    "-F",
    "/dev/null",
    ...[...settings, folder].flatMap((line) => ["-e", line]),
    "-s",
    subject,
    "ann@example.org",
  ];
}

async function run(client: Client, server: DevServer, subject: string): ReturnType<typeof runProgram> {
  const { command, args, input, env } = client;
  return await runProgram(command, args, {
    cwd: server.folder.path,
    env: {
      ...process.env,
      SMTP_HOST: "127.0.0.1",
      SMTP_PORT: String(server.smtpPort),
      SUBJECT: subject,
      ...env,
    },
    ...(input !== undefined && { input }),
  });
}

const subjectOf = (name: string) => `From-${name.replaceAll(/[^A-Za-z0-9]+/g, "-")}`;

describe("with the defaults of both sides", { concurrency: 2 }, () => {
  let server: DevServer;
  before(async () => {
    server = await startDev();
  });
  after(() => server[Symbol.asyncDispose]());

  for (const [name, clientFor] of Object.entries(clients)) {
    test(`${name} gets through`, async () => {
      const subject = subjectOf(name);
      const { status, output } = await run(await clientFor(server, subject), server, subject);
      assert.equal(status, 0, `${output}\n${server.program.output()}`);
      const captured = await server.arrived(subject);
      assert.deepEqual(captured["to"], ["ann@example.org"]);
    });
  }

  test("nodemailer gets through, with a login and without", async () => {
    for (const [subject, auth] of [
      ["without-login", undefined],
      ["with-login", { user: "ann", pass: "secret" }],
    ] as const) {
      const transport = createTransport({ host: "127.0.0.1", port: server.smtpPort, ...(auth && { auth }) });
      await transport.sendMail({
        from: "shop@example.org",
        to: "ann@example.org",
        subject,
        text: "Your code is 123456",
      });
      assert.deepEqual((await server.arrived(subject))["to"], ["ann@example.org"]);
    }
  });
});

describe("lines that end in LF", () => {
  test("a body with dots and an mbox line ahead arrives as it was meant, from smtplib and from curl", async () => {
    await using server = await startDev();
    const body = ["One", ".", ".two", "", "three", ""].join("\n");
    const text = (subject: string) => message(subject).replace("Your code is 123456\n", body);
    const mbox = "From shop Fri Feb 14 08:55:52 2014\n";
    const names = { smtplib: "smtplib-lf-dots", curl: "curl-lf-dots" };
    const sent = [
      { command: python, args: [`${programs}smtplib_bytes.py`], env: { MESSAGE: `${mbox}${text(names.smtplib)}` } },
      curl(server, names.curl),
    ];
    writeFileSync(server.folder.file(`${names.curl}.txt`), `${mbox}${text(names.curl)}`);
    for (const client of sent) {
      const { status, output } = await run(client, server, "");
      assert.equal(status, 0, output);
    }
    for (const subject of Object.values(names)) {
      const captured = await server.arrived(subject);
      assert.equal(String(captured["text"]).trimEnd(), body.trimEnd());
    }
  });
});

describe("with TLS on request", () => {
  test("nodemailer, smtplib and curl trust the certificate by its file, over STARTTLS and on the TLS port", async () => {
    await using server = await startDev("--starttls", "--tls-port", "0");
    const certificate = `${server.dataFolder}/tls/self-signed.crt`;
    const ca = readFileSync(certificate);
    const shown = () => server.program.output().includes("SMTPS");
    await until("the screen", shown, server.program, 20);
    const [, implicit] = /SMTPS\s+127\.0\.0\.1:(\d+)/.exec(server.program.output()) ?? [];
    const send = async (subject: string, port: number, secure: boolean) => {
      const transport = createTransport({ host: "127.0.0.1", port, secure, requireTLS: true, tls: { ca } });
      await transport.sendMail({ from: "shop@example.org", to: "ann@example.org", subject, text: "x" });
      await server.arrived(subject);
    };
    await send("nodemailer-starttls", server.smtpPort, false);
    await send("nodemailer-implicit", Number(implicit), true);

    writeFileSync(server.folder.file("message.txt"), message("curl-implicit", "\r\n"));
    const addresses = ["--mail-from", "shop@example.org", "--mail-rcpt", "ann@example.org"];
    const file = ["--upload-file", server.folder.file("message.txt"), "--cacert", certificate];
    const curl = await runProgram("curl", ["-sS", `smtps://127.0.0.1:${implicit}`, ...addresses, ...file]);
    assert.equal(curl.status, 0, curl.output);
    await server.arrived("curl-implicit");

    const script = [
      "import smtplib, ssl, sys",
      "server = smtplib.SMTP('localhost', int(sys.argv[1]))",
      "server.starttls(context=ssl.create_default_context(cafile=sys.argv[2]))",
      "server.sendmail('shop@example.org', ['ann@example.org'], 'Subject: smtplib-starttls\\r\\n\\r\\nx')",
    ].join("\n");
    const smtplib = await runProgram(python, ["-c", script, String(server.smtpPort), certificate]);
    assert.equal(smtplib.status, 0, smtplib.output);
    await server.arrived("smtplib-starttls");
  });

  test("nodemailer refuses the certificate by default, and the log says what helps", async () => {
    await using server = await startDev("--starttls", "--tls-port", "0");
    const send = { from: "shop@example.org", to: "ann@example.org", subject: "refused", text: "x" };
    await assert.rejects(createTransport({ host: "127.0.0.1", port: server.smtpPort }).sendMail(send), /self-signed/);
    const said = () => /session-tls-failed.*Start the server without --starttls/.test(server.program.output());
    await until("a hint in the log", said, server.program, 20);
  });
});

describe("what cannot get through, and what the log says about it", () => {
  test("mutt with its default ssl_force_tls asks for STARTTLS in vain", async () => {
    await using server = await startDev();
    const args = muttArguments(server.folder.path, server.smtpPort, "forced");
    const { status } = await run({ command: "mutt", args, input: "x\n" }, server, "forced");
    assert.notEqual(status, 0);
    const said = () => /command-refused.*command=STARTTLS.*502 5\.5\.1.*--starttls/.test(server.program.output());
    await until("a hint in the log", said, server.program, 20);
  });

  test("nodemailer with secure: true on the port in clear", async () => {
    await using server = await startDev();
    const transport = createTransport({ host: "127.0.0.1", port: server.smtpPort, secure: true });
    await assert.rejects(transport.sendMail({ from: "a@example.org", to: "b@example.org", subject: "x", text: "x" }));
    const said = () => /command-refused.*421 4\.7\.0.*--tls-port/.test(server.program.output());
    await until("a hint in the log", said, server.program, 20);
  });

  test("a login by CRAM-MD5, an address whose domain is none, and recipients beyond the limit", async () => {
    await using server = await startDev();
    const swaks = ["--server", `127.0.0.1:${server.smtpPort}`, "--from", "shop@example.org", "--to", "ann@example.org"];
    const login = ["--auth", "CRAM-MD5", "--auth-user", "ann", "--auth-password", "secret"];
    assert.notEqual((await runProgram("swaks", [...swaks, ...login])).status, 0);
    const script = [
      "import smtplib, sys",
      "server = smtplib.SMTP('127.0.0.1', int(sys.argv[1]))",
      "server.ehlo()",
      "server.docmd('AUTH', 'CRAM-MD5')",
      "server.mail('shop@example.org')",
      "server.rcpt('ann@-shop-.test')",
      "for number in range(1003): server.rcpt(f'user{number}@example.org')",
      "server.quit()",
    ].join("\n");
    const { status, output } = await runProgram(python, ["-c", script, String(server.smtpPort)]);
    assert.equal(status, 0, output);
    const complete = () => /command=RCPT.*452 4\.5\.3/.test(server.program.output());
    await until("the last refusal in the log", complete, server.program, 20);
    const log = server.program.output();
    assert.match(log, /command=AUTH.*504 5\.5\.4.*hint="The server offers PLAIN and LOGIN/);
    assert.match(log, /command=RCPT.*501 5\.1\.3.*hint="A production server/);
    assert.equal(log.match(/command=RCPT.*452 4\.5\.3.*hint="/g)?.length, 1, "the same refusal once");
  });
});
