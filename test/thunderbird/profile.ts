/**
 * A Thunderbird profile made of files: one account whose mail is fetched from Dovecot, four outgoing servers, a test
 * authority that is trusted, and a client certificate. It asks no person anything and calls no server of Mozilla's.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { runProgram } from "../interop/support/program.ts";

export interface ProfileOptions {
  readonly folder: string;
  readonly marionettePort: number;
  readonly imapPort: number;
  readonly ports: { readonly submission: number; readonly submissions: number };
  /** PEM; trusted for servers. */
  readonly authorityFile: string;
  /** PKCS #12 without a password. */
  readonly clientCertificateFile: string;
}

/** How Thunderbird numbers them: `nsMsgAuthMethod` and `nsMsgSocketType`. */
const passwordCleartext = 3;
const tlsCertificate = 7;
const socketTypes = { plain: 0, submission: 2, submissions: 3 };

export const ways = (["submissions", "submission"] as const).flatMap((kind) =>
  (["password", "certificate"] as const).map((by) => ({ kind, by, server: `${kind}-${by}` })),
);

export async function makeProfile(options: ProfileOptions): Promise<void> {
  const { folder, authorityFile, clientCertificateFile } = options;
  mkdirSync(folder, { recursive: true });
  const lines = Object.entries(preferences(options)).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
  );
  writeFileSync(`${folder}/user.js`, lines.join(""));
  const store = ["-d", `sql:${folder}`];
  await done("certutil", ["-N", ...store, "--empty-password"]);
  await done("certutil", ["-A", ...store, "-n", "test authority", "-t", "C,,", "-i", authorityFile]);
  await done("pk12util", ["-i", clientCertificateFile, ...store, "-W", ""]);
}

async function done(command: string, args: readonly string[]): Promise<void> {
  const { status, output } = await runProgram(command, args);
  if (status !== 0) throw new Error(`${command}: ${output}`);
}

function preferences({ marionettePort, imapPort, ports }: ProfileOptions): Readonly<Record<string, unknown>> {
  const outgoing = ways.flatMap(({ kind, by, server }) => {
    const prefix = `mail.smtpserver.${server}`;
    return [
      [`${prefix}.type`, "smtp"],
      [`${prefix}.hostname`, "mail.example.org"],
      [`${prefix}.port`, ports[kind]],
      [`${prefix}.try_ssl`, socketTypes[kind]],
      [`${prefix}.authMethod`, by === "password" ? passwordCleartext : tlsCertificate],
      [`${prefix}.username`, "ann@example.org"],
      [`${prefix}.description`, server],
    ];
  });
  return {
    "marionette.port": marionettePort,
    // The name leads to loopback, with no DNS.
    "network.dns.localDomains": "mail.example.org",
    // As in Settings → Privacy & Security → Certificates: "Select one automatically".
    "security.default_personal_cert": "Select Automatically",
    "mail.accountmanager.accounts": "account1",
    "mail.accountmanager.defaultaccount": "account1",
    "mail.account.account1.server": "server1",
    "mail.account.account1.identities": "id1",
    "mail.server.server1.type": "imap",
    "mail.server.server1.hostname": "127.0.0.1",
    "mail.server.server1.port": imapPort,
    "mail.server.server1.userName": "ann@example.org",
    "mail.server.server1.name": "ann@example.org",
    "mail.server.server1.socketType": socketTypes.plain,
    "mail.server.server1.authMethod": passwordCleartext,
    "mail.server.server1.login_at_startup": false,
    "mail.server.server1.check_new_mail": false,
    "mail.identity.id1.fullName": "Ann",
    "mail.identity.id1.useremail": "ann@example.org",
    "mail.identity.id1.valid": true,
    "mail.identity.id1.fcc": false,
    "mail.smtpservers": ways.map(({ server }) => server).join(","),
    ...Object.fromEntries(outgoing),
    "app.update.enabled": false,
    "datareporting.policy.dataSubmissionEnabled": false,
    "mail.rights.version": 1,
    "mail.provider.suppress_dialog_on_startup": true,
    "mail.spotlight.firstRunDone": true,
    "mail.winsearch.firstRunDone": true,
    "mailnews.start_page.enabled": false,
    "network.captive-portal-service.enabled": false,
    "network.connectivity-service.enabled": false,
    "services.settings.server": "data:,",
    "app.donation.eoy.version.viewed": 999,
  };
}
