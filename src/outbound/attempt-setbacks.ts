/**
 * What one attempt has met with so far, and what follows from it for recipients that no server took a decision on. One
 * server that may recover keeps the mail waiting, whatever the others said; and what one server lacks is final only where
 * every server of the site lacks it or refuses us.
 */
import type { StoredRecipient } from "../spool/spool.ts";
import { lackingForNow } from "./delivery-needs.ts";
import { finding, type Setback } from "./delivery-verdict.ts";

export class AttemptSetbacks {
  /** Names of all servers of the site. */
  readonly #hosts: readonly string[];
  #worst: Setback | undefined;
  /** What a server lacks for the whole message. */
  #lack: Setback | undefined;
  /** What a server lacks for a recipient, by index. */
  readonly #lackFor = new Map<number, Setback>();
  /** Servers that said no permanently, or lack something. */
  readonly #decided = new Set<string>();

  /** @param unasked names of servers that the route knows of and could not give: they may recover. */
  constructor(hosts: readonly string[], unasked: readonly string[] = []) {
    this.#hosts = [...hosts, ...unasked];
    const [first] = unasked;
    if (first !== undefined)
      this.#worst = finding(
        "4.4.3",
        "remote-trouble",
        `the DNS does not say now where ${first} is, or what its policy asks`,
      );
  }

  add(setback: Setback): void {
    if (this.#worst?.kind !== "deferred" || setback.kind === "deferred") this.#worst = setback;
  }

  /** This server let us in to nothing. */
  addOfHost(host: string, setback: Setback): void {
    this.add(setback);
    if (setback.kind === "bounced") this.#decided.add(host);
  }

  addLack(host: string, lack: Setback): void {
    this.#lack ??= lack;
    this.#decided.add(host);
  }

  addLackFor({ index }: StoredRecipient, host: string, lack: Setback): void {
    this.#lackFor.set(index, lack);
    this.#decided.add(host);
  }

  /** What stands for the recipient when there is nobody left to ask; undefined: nobody was asked. */
  finalFor({ index }: StoredRecipient): Setback | undefined {
    const lack = this.#lackFor.get(index) ?? this.#lack;
    if (lack === undefined) return this.#worst;
    return this.#hosts.every((name) => this.#decided.has(name)) ? lack : lackingForNow(lack, this.#worst);
  }
}
