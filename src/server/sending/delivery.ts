/** Those that deliver: one agent for each kind of next hop. */
import type { Settings } from "../../config/settings-schema.ts";
import type { AccessTokenSource } from "../../oauth/access-tokens.ts";
import { CaptureDelivery } from "../../outbound/capture-delivery.ts";
import { DiscardDelivery } from "../../outbound/discard-delivery.ts";
import { MaildirDelivery } from "../../outbound/maildir-delivery.ts";
import { DirectMaildirStore } from "../../outbound/maildir-store.ts";
import { ProgramDelivery } from "../../outbound/program-delivery.ts";
import { smtpDeliverySettings } from "../../outbound/settings.ts";
import { SmtpDelivery } from "../../outbound/smtp-delivery.ts";
import type { DeliveryAgents } from "../../queue/queue.ts";
import type { MessageSigning } from "../../signing/message-signing.ts";
import type { TlsSessionRecorder } from "../../tls-rpt/session-note.ts";
import type { Opening } from "../plan/part.ts";

export function openDelivery(
  { settings, ports: { network, clock, random, files, log, maildirs, program }, parts }: Opening,
  /** `signing` absent: what is converted loses its signatures. */
  services: {
    readonly reports: DeliveryAgents["reports"];
    readonly signing?: MessageSigning;
    readonly tlsSessions?: TlsSessionRecorder;
    readonly accessTokens: AccessTokenSource;
  },
): DeliveryAgents {
  const { reports, signing, ...more } = services;
  const common = { network, clock, random, log, settings: smtpView(settings), ...more };
  const smtp = new SmtpDelivery({ ...common, signing: () => signing });
  const store = maildirs ?? new DirectMaildirStore(files);
  const maildir = new MaildirDelivery({ store, log }, { hostname: settings.hostname });
  parts.add({
    name: "delivery",
    view: smtpView,
    prepare: (next) => () => smtp.reconfigure(next),
    stop: async () => {
      await Promise.all([smtp.close(), maildir.close()]);
    },
  });
  return {
    smtp,
    lmtp: smtp,
    maildir,
    program: new ProgramDelivery(program, { clock, log }),
    capture: new CaptureDelivery(),
    reports,
    discard: new DiscardDelivery(),
  };
}

function smtpView({ hostname, outbound, queue }: Settings) {
  return smtpDeliverySettings(hostname, outbound, queue.warn_after);
}
