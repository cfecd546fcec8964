/** What a session tells its connection to do about an event of the protocol core. */
import type { Ruling } from "../policy/policy-chain.ts";
import type { Reply } from "../smtp/reply.ts";
import type { XclientAttributes } from "../smtp/xclient.ts";

export type SessionAction =
  /** Nothing: the event only told of something. */
  | { readonly kind: "none" }
  /** Yes, with the core's own reply. */
  | { readonly kind: "proceed" }
  | {
      readonly kind: "answer";
      readonly reply: Reply;
      /** Called once the reply is on its way. */
      readonly afterwards?: () => void;
    }
  /** AUTH goes on. */
  | { readonly kind: "challenge"; readonly data: Uint8Array }
  /** The rest of the content is drained, then answered with this. */
  | { readonly kind: "refuse-content"; readonly reply: Reply }
  /** XCLIENT: the session begins again for the client that was named. */
  | { readonly kind: "pass-on"; readonly named: XclientAttributes }
  /** 220, then the handshake. */
  | { readonly kind: "start-tls" };

export const noAction: SessionAction = { kind: "none" };
export const proceed: SessionAction = { kind: "proceed" };

export function answer(reply: Reply): SessionAction {
  return { kind: "answer", reply };
}

/** Where no stage refuses, the core has a reply of its own. */
export function actionFor(ruling: Ruling): SessionAction {
  return ruling.verdict === "proceed" ? proceed : answer(ruling.refusal.reply);
}
