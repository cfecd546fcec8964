/** Who else knows passwords: the program that runs the server, and Dovecot where the configuration names its socket. */
import { DovecotPasswords } from "../../accounts/dovecot/dovecot-passwords.ts";
import { BoundedSource } from "../../accounts/password-source.ts";
import type { ServerPorts } from "../plan/server-ports.ts";

export class PasswordSources {
  readonly #ports: Pick<ServerPorts, "network" | "clock" | "random" | "passwordSource">;
  readonly #program: readonly BoundedSource[];
  #socket: string | undefined;
  #dovecot: readonly BoundedSource[] = [];

  /** `socket`: Dovecot's; undefined: none. Nothing is connected before the first question. */
  constructor(ports: Pick<ServerPorts, "network" | "clock" | "random" | "passwordSource">, socket: string | undefined) {
    this.#ports = ports;
    const { passwordSource: program, clock } = ports;
    this.#program = program === undefined ? [] : [new BoundedSource(program, clock)];
    this.reconfigure(socket);
  }

  get inForce(): readonly BoundedSource[] {
    return [...this.#program, ...this.#dovecot];
  }

  reconfigure(socket: string | undefined): void {
    if (socket === this.#socket) return;
    this.close();
    const { network, clock, random } = this.#ports;
    this.#socket = socket;
    this.#dovecot =
      socket === undefined
        ? []
        : [
            new BoundedSource(
              new DovecotPasswords({ endpoint: { kind: "unix", path: socket }, network, clock, random }),
              clock,
            ),
          ];
  }

  /** Ends the connection to Dovecot; a later question opens another. */
  close(): void {
    for (const source of this.#dovecot) source.close();
  }
}
