/**
 * One connection to another server as steps with the time that each took: connect, greeting, EHLO, STARTTLS, handshake,
 * certificate, login, MAIL, RCPT, QUIT. Promises that each step which began is told once, when it is answered or fails.
 */
import { withCertificateWords } from "../lib/certificate-words.ts";
import type { Clock } from "../ports/clock.ts";
import type { TlsFacts } from "../ports/network.ts";
import type { TlsDecision } from "../route/next-hop.ts";
import type { ConnectionObserver } from "./connection-observer.ts";
import { addressText, type Target } from "./connection-setup.ts";
import type { Setback } from "./delivery-verdict.ts";
import type { DialogueLine, SmtpClientConnection } from "./smtp-client-connection.ts";

export type ConnectionStepName =
  | "connect"
  | "greeting"
  | "hello"
  | "starttls"
  | "handshake"
  | "certificate"
  | "auth"
  | "mail"
  | "rcpt"
  | "rset"
  | "quit";

export interface ConnectionStep {
  readonly step: ConnectionStepName;
  /** `note`: worth knowing, and no trouble by itself. */
  readonly status: "ok" | "failed" | "note";
  readonly host: string;
  /** IP address, or `unix:/path`. */
  readonly address: string;
  /** How long it took. */
  readonly ms: number;
  /** What the server said, or what was found, in one line. */
  readonly text: string;
}

const steps: Readonly<Record<string, ConnectionStepName>> = {
  EHLO: "hello",
  HELO: "hello",
  LHLO: "hello",
  STARTTLS: "starttls",
  AUTH: "auth",
  MAIL: "mail",
  RCPT: "rcpt",
  RSET: "rset",
  QUIT: "quit",
};

export class ConnectionSteps implements ConnectionObserver {
  readonly #target: Target;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #tell: (step: ConnectionStep) => void;
  #pending: { readonly step: ConnectionStepName; readonly sinceMs: number } | undefined;
  #replyLines: string[] = [];
  #reachedTls = false;

  constructor(target: Target, clock: Pick<Clock, "monotonicMs">, tell: (step: ConnectionStep) => void) {
    this.#target = target;
    this.#clock = clock;
    this.#tell = tell;
    this.#begin("connect");
  }

  get target(): Target {
    return this.#target;
  }

  /** A handshake was begun, so the server has a certificate to be judged. */
  get reachedTls(): boolean {
    return this.#reachedTls;
  }

  connected({ tls }: Pick<SmtpClientConnection, "tls">): void {
    const { host, endpoint } = this.#target;
    const port = endpoint.kind === "ip" ? ` port ${endpoint.port}` : "";
    this.#end("ok", `${host} [${addressText(endpoint)}]${port}`);
    if (tls !== undefined) this.#judge(tls, 0);
    this.#begin("greeting");
  }

  connectFailed(reason: string): void {
    this.#end("failed", withCertificateWords(reason));
  }

  dialogue({ direction, text }: DialogueLine): void {
    if (direction === "out") return this.#say(text);
    this.#replyLines.push(text.slice(4));
    if (text[3] === "-") return;
    const [first = "", ...rest] = this.#replyLines;
    this.#replyLines = [];
    const isHello = this.#pending?.step === "hello";
    const more = isHello
      ? `${rest.length === 0 ? "" : ": "}${rest.join(", ")}`
      : rest.map((line) => ` ${line}`).join("");
    const ok = text < "4";
    const step = this.#pending?.step;
    this.#end(ok ? "ok" : "failed", `${text.slice(0, 3)} ${first}${more}`.trim());
    if (step === "starttls" && ok) this.#begin("handshake");
  }

  secured(tls: TlsFacts): void {
    const ms = this.#pending === undefined ? 0 : this.#clock.monotonicMs() - this.#pending.sinceMs;
    this.#pending = undefined;
    this.#judge(tls, ms);
  }

  ready({ tls }: Pick<SmtpClientConnection, "tls">): void {
    if (tls === undefined) this.#add("starttls", "note", "there is no TLS: mail goes in clear");
  }

  /** What the server said was told already; what we found ourselves is told here. */
  failed(setback: Setback): void {
    if (this.#pending !== undefined) return this.#end("failed", setback.reason);
    if (setback.diagnostic?.type !== "smtp")
      this.#add(setback.status === "4.7.4" ? "starttls" : "auth", "failed", setback.reason);
  }

  /** The connection is of no more use: only QUIT may still be answered. */
  leave(reason: string): void {
    if (this.#pending?.step !== "quit") this.#end("failed", reason);
  }

  /** Nothing will be answered any more. */
  close(): void {
    this.#end("failed", "there was no answer");
  }

  #say(text: string): void {
    const step = steps[text.split(/[ :]/, 1)[0] ?? ""];
    // What follows within a step, as a response of a login.
    if (step === undefined) return;
    this.#begin(step);
  }

  #judge(tls: TlsFacts, ms: number): void {
    this.#reachedTls = true;
    const { subject, issuer, validTo } = tls.peerCertificate ?? {};
    const certificate =
      subject === undefined ? "" : `; certificate of ${subject}, issued by ${issuer}, valid to ${validTo}`;
    this.#add("handshake", "ok", `${tls.protocol} ${tls.cipher}${certificate}`, ms);
    const { status, text } = certificateVerdict(tls, this.#target.tls, this.#target.host);
    this.#add("certificate", status, text);
  }

  #begin(step: ConnectionStepName): void {
    this.#pending = { step, sinceMs: this.#clock.monotonicMs() };
    if (step === "handshake") this.#reachedTls = true;
  }

  #end(status: ConnectionStep["status"], text: string): void {
    if (this.#pending === undefined) return;
    const { step, sinceMs } = this.#pending;
    this.#pending = undefined;
    this.#add(step, status, text, this.#clock.monotonicMs() - sinceMs);
  }

  #add(step: ConnectionStepName, status: ConnectionStep["status"], text: string, ms = 0): void {
    const { host, endpoint } = this.#target;
    this.#tell({ step, status, host, address: addressText(endpoint), ms, text });
  }
}

/** What the certificate is worth under the demand that its host has to meet. */
function certificateVerdict(
  { verified, verifiedBy, verifyError }: TlsFacts,
  { demand, reason: { rule, setting } }: TlsDecision,
  host: string,
): { readonly status: ConnectionStep["status"]; readonly text: string } {
  const wanted = setting ?? rule;
  switch (demand.kind) {
    case "dane":
      if (!verified) return { status: "note", text: "dane: no TLSA record can be used, so any certificate is taken" };
      return {
        status: "ok",
        text: `dane: it fits a TLSA record (${verifiedBy === "dane-ta" ? "DANE-TA" : "DANE-EE"})`,
      };
    case "pki":
      return { status: "ok", text: `${wanted}: it is valid for ${demand.names.join(", ")}` };
    case "none":
    case "opportunistic":
    case "required": {
      if (verified) return { status: "ok", text: `it is valid for ${host}, which no policy asks for` };
      const why = withCertificateWords(verifyError ?? "no reason given");
      return { status: "note", text: `it is not valid for ${host} (${why}), and no policy asks for that` };
    }
    default:
      return demand satisfies never;
  }
}
