/**
 * All policies of a server, as one list of stages. Asks those that have something to say at a moment, in the order in which
 * they were declared, until one refuses. Every refusal of mail goes through here, and is logged here and nowhere else.
 */
import { formatMailbox } from "../address/mailbox-text.ts";
import { whenReady } from "../lib/when-ready.ts";
import type { Log } from "../ports/log.ts";
import type { ReversePath } from "../smtp/envelope.ts";
import type { Acceptance, Refusal } from "./decision.ts";
import type { Ask, Change, Moment, Moments, Stage, StageAnswer, StageAsks } from "./stage.ts";

/** Where a setting stands: file and line, or `default`; undefined: that is not known. */
export type SettingOrigin = (setting: string) => string | undefined;

/** Which stage decided, and where the setting stands that it went by. */
export interface Decider {
  readonly rule: string;
  readonly settingAt?: string;
}

/** What all stages together said. */
export type Ruling =
  { readonly verdict: "refuse"; readonly refusal: Refusal } | ({ readonly verdict: "proceed" } & Said);

/** A refusal as it is told; the protocol core has reasons of its own. */
export type ToldRefusal = Pick<Refusal, "reply" | "setting" | "inputs"> & { readonly reason: string };

/** Who hears of a refusal. */
export interface Hearer {
  readonly log: Log;
  /** The client has gone meanwhile: nobody is refused anything. */
  readonly isGone?: () => boolean;
}

interface StageAt<At extends Moment> {
  readonly rule: string;
  readonly ask: Ask<At>;
}

interface Question<At extends Moment> {
  readonly moment: At;
  readonly facts: Moments[At];
  readonly hearer: Hearer;
}

/** What was said without a refusal, so far. */
interface Said {
  /** Of the first stage that had a reason to accept; absent: none has anything against it. */
  readonly acceptance?: Acceptance & Decider;
  readonly changes: readonly Change[];
}

export class PolicyChain {
  readonly #stages: { readonly [At in Moment]: readonly StageAt<At>[] };
  #originOf: SettingOrigin;

  constructor(stages: readonly Stage[], originOf: SettingOrigin = () => undefined) {
    const at = <At extends Moment>(moment: At): readonly StageAt<At>[] =>
      stages.flatMap((stage) => {
        const asks: StageAsks = stage;
        const ask = asks[moment];
        return ask === undefined ? [] : [{ rule: stage.rule, ask: (facts) => ask.call(stage, facts) }];
      });
    this.#stages = {
      connect: at("connect"),
      hello: at("hello"),
      mail: at("mail"),
      recipient: at("recipient"),
      data: at("data"),
      header: at("header"),
      content: at("content"),
    };
    this.#originOf = originOf;
  }

  /** After a reload, settings stand elsewhere. */
  reconfigure(originOf: SettingOrigin): void {
    this.#originOf = originOf;
  }

  /** At once where every stage answers at once. */
  ask<At extends Moment>(moment: At, facts: Moments[At], hearer: Hearer): Ruling | Promise<Ruling> {
    return this.#askFrom(0, { moment, facts, hearer }, { changes: [] });
  }

  /** Logs a refusal that no stage made: of what cannot be stored, or finds no room. */
  refused(facts: Moments[Moment], rule: string, refusal: ToldRefusal, { log }: Hearer): void {
    const { reason, setting, reply, inputs } = refusal;
    const { settingAt: setting_at } = this.#decider(rule, setting);
    const told = { client: facts.client.address, reason, rule, setting, setting_at, inputs, reply: reply.code };
    if (!("reversePath" in facts)) log.event("session-refused", told);
    else {
      const from = pathText(facts.reversePath);
      if ("forwardPath" in facts)
        log.event("recipient-refused", { ...told, from, to: formatMailbox(facts.forwardPath) });
      else if ("recipients" in facts) log.event("content-refused", { ...told, from, to: facts.recipients });
      else log.event("mail-refused", { ...told, from });
    }
  }

  #askFrom<At extends Moment>(index: number, question: Question<At>, said: Said): Ruling | Promise<Ruling> {
    const { moment, facts, hearer } = question;
    const stage: StageAt<At> | undefined = this.#stages[moment][index];
    if (stage === undefined) return { verdict: "proceed", ...said };
    return whenReady(stage.ask(facts), (answer): Ruling | Promise<Ruling> => {
      if (answer === undefined) return this.#askFrom(index + 1, question, said);
      if (answer.verdict === "accept") return this.#askFrom(index + 1, question, this.#heard(said, stage.rule, answer));
      if (hearer.isGone?.() !== true) this.refused(facts, stage.rule, answer, hearer);
      return { verdict: "refuse", refusal: answer };
    });
  }

  #heard(said: Said, rule: string, { changes = [], ...accepted }: Extract<StageAnswer, { verdict: "accept" }>): Said {
    const acceptance = said.acceptance ?? { ...accepted, ...this.#decider(rule, accepted.setting) };
    return { acceptance, changes: [...said.changes, ...changes] };
  }

  #decider(rule: string, setting: string | undefined): Decider {
    const settingAt = setting === undefined ? undefined : this.#originOf(setting);
    return { rule, ...(settingAt !== undefined && { settingAt }) };
  }
}

function pathText(path: ReversePath): string {
  return path === null ? "" : formatMailbox(path);
}
