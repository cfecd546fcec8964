/**
 * Another server's side of a dialogue, said to our delivery agent, whose commands have to fit. Then each recipient has the
 * outcome that the dialogue names.
 *
 * Names: `to` (a recipient; may repeat), `relay` (the host is a relay host; `password` or `token`: how the route logs in as
 * ann@example.org), `body` and `smtputf8` of the message, `content` (its text, "\n" written as `|`), and for each
 * recipient `OUTCOME: kind status [owner]`.
 */
import assert from "node:assert/strict";
import type { AccessTokenSource } from "../../src/oauth/access-tokens.ts";
import type { HopCredentials } from "../../src/route/next-hop.ts";
import type { Connection } from "../../src/ports/network.ts";
import type { BodyType } from "../../src/smtp/envelope.ts";
import { body as ordinaryContent, header, OutboundWorld, siteOf } from "../../src/testing/outbound-world.ts";
import { hopHost } from "../../src/testing/hop-hosts.ts";
import { type Dialogue, fits, octetsOf, type Variables } from "./dialogue.ts";

const accessToken = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg";

const credentials: Readonly<Record<string, HopCredentials>> = {
  password: { username: "ann@example.org", password: "secret" },
  token: { username: "ann@example.org", oauth: "provider" },
};

export async function playServer(dialogue: Dialogue): Promise<void> {
  const accessTokens: AccessTokenSource = {
    tokenFor: () => Promise.resolve({ kind: "token", token: accessToken }),
    refused: () => undefined,
  };
  const world = new OutboundWorld({}, { accessTokens });
  const sessions: ReplayedServer[] = [];
  const content = dialogue.one("content")?.replaceAll("|", "\r\n") ?? ordinaryContent;
  const listener = await world.network.listen(
    { kind: "ip", address: "192.0.2.1", port: 25 },
    {
      accept: (connection) =>
        sessions.push(
          new ReplayedServer(dialogue, connection, {
            token: accessToken,
            header: header.trimEnd(),
            size: String(header.length + Buffer.byteLength(content)),
          }),
        ),
    },
  );
  const relay = dialogue.one("relay");
  const login = relay === undefined ? undefined : credentials[relay];
  const job = world.job({
    to: dialogue.all("to"),
    content,
    hop: {
      ...siteOf(1),
      hosts: [hopHost("mx1.example.org", ["192.0.2.1"], login && "verified")],
      ...(relay !== undefined && { isRelay: true }),
      ...(login && { credentials: login }),
    },
    message: {
      body: (dialogue.one("body") ?? "7BIT") as BodyType,
      smtpUtf8: dialogue.one("smtputf8") !== undefined,
    },
  });
  const outcomes = await world.deliverWithTime(job);
  await listener.close();
  // A connection that is kept for other messages hears QUIT now.
  await world[Symbol.asyncDispose]();
  const [session] = sessions;
  assert.ok(session, "nobody called");
  session.assertPlayed();
  assert.deepEqual(
    outcomes.map((outcome) => [outcome.kind, outcome.status, "owner" in outcome ? outcome.owner : ""].join(" ").trim()),
    dialogue.all("OUTCOME"),
    dialogue.path,
  );
}

/** Says the server's lines, and takes the client's one by one. */
class ReplayedServer {
  readonly #dialogue: Dialogue;
  readonly #connection: Connection;
  readonly #variables: Variables;
  #step = 0;
  #line = 0;
  #buffer = "";
  #wrong: string | undefined;

  constructor(dialogue: Dialogue, connection: Connection, variables: Variables) {
    this.#dialogue = dialogue;
    this.#connection = connection;
    this.#variables = variables;
    connection.start({
      data: (bytes) => {
        this.#buffer += Buffer.from(bytes).toString("latin1");
        this.#play();
      },
      end: () => connection.end(),
      drained: () => undefined,
      closed: () => undefined,
    });
    this.#play();
  }

  /** The client said all that the dialogue has, and nothing else. */
  assertPlayed(): void {
    const { path, steps } = this.#dialogue;
    assert.equal(this.#wrong, undefined, `${path}: ${this.#wrong}`);
    const step = steps[this.#step];
    assert.equal(
      step,
      undefined,
      `${path}: ended before ${JSON.stringify(step)}, having ${JSON.stringify(this.#buffer)}`,
    );
    assert.equal(this.#buffer, "", `${path}: the client said more`);
  }

  #play(): void {
    for (;;) {
      const step = this.#dialogue.steps[this.#step];
      if (step === undefined || this.#wrong !== undefined) return;
      if (step.kind === "client" && !this.#take(step.lines)) return;
      if (step.kind === "server") {
        this.#connection.write(Buffer.concat(step.lines.map((line) => octetsOf(line, this.#variables))));
      }
      this.#step++;
      this.#line = 0;
      if (step.kind === "close") return this.#connection.end();
      if (step.kind === "tls") return this.#startTls();
    }
  }

  /** false: more has to come. */
  #take(lines: readonly string[]): boolean {
    for (; this.#line < lines.length; this.#line++) {
      const pattern = lines[this.#line] ?? "";
      const end = this.#buffer.indexOf("\r\n");
      if (end < 0) return false;
      const line = this.#buffer.slice(0, end);
      this.#buffer = this.#buffer.slice(end + 2);
      if (fits(line, pattern, this.#variables)) continue;
      this.#wrong = `expected ${pattern}, heard ${line}`;
      this.#connection.destroy();
      return false;
    }
    return true;
  }

  #startTls(): void {
    const context = () => ({ certificatePem: "", keyPem: "", version: 1 });
    this.#connection.startTls({ side: "server", context }).then(
      () => this.#play(),
      () => this.#connection.destroy(),
    );
  }
}
