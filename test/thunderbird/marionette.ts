/** Marionette, the remote control that Mozilla's programs have: a script runs inside Thunderbird with all its rights. */
import { connect, type Socket } from "node:net";

/** What a script may take at most. */
const scriptTimeoutMs = 60_000;

type Answer = readonly [type: number, id: number, error: unknown, result: unknown];

export class Marionette implements Disposable {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #wake: () => void = () => undefined;
  #id = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    socket.on("error", () => this.#wake());
    socket.on("close", () => this.#wake());
  }

  /** Thunderbird was started with `--marionette`, and listens. */
  static async connect(port: number): Promise<Marionette> {
    const marionette = new Marionette(connect(port, "127.0.0.1"));
    await marionette.#packet();
    await marionette.#command("WebDriver:NewSession", { capabilities: { alwaysMatch: {} } });
    await marionette.#command("WebDriver:SetTimeouts", { script: scriptTimeoutMs });
    await marionette.#command("Marionette:SetContext", { value: "chrome" });
    return marionette;
  }

  /** The value of the body of an async function, whose parameters are `given`. Rejects with what it throws. */
  async run(body: string, given: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const script = `
      const [given, done] = arguments;
      const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
      (async ({ ${Object.keys(given).join(", ")} }) => { ${body} })(given).then(
        (value) => done({ value: value ?? null }),
        (error) => done({ error: String(error) + " " + (error?.stack ?? "") }),
      );`;
    const options = { script, args: [given], sandbox: "system", newSandbox: true };
    const { value } = (await this.#command("WebDriver:ExecuteAsyncScript", options)) as {
      value: { readonly value?: unknown; readonly error?: string };
    };
    if (value.error !== undefined) throw new Error(`Thunderbird: ${value.error}`);
    return value.value;
  }

  /** Thunderbird ends by itself. */
  async quit(): Promise<void> {
    await this.#command("Marionette:Quit", { flags: ["eForceQuit"] });
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  async #command(name: string, parameters: unknown): Promise<unknown> {
    const text = JSON.stringify([0, ++this.#id, name, parameters]);
    this.#socket.write(`${Buffer.byteLength(text)}:${text}`);
    const [, id, error, result] = (await this.#packet()) as Answer;
    if (id !== this.#id) throw new Error(`${name}: the answer to another command came`);
    if (error !== null) throw new Error(`${name}: ${JSON.stringify(error)}`);
    return result;
  }

  /** The next one: its length in octets, a colon, JSON. */
  async #packet(): Promise<unknown> {
    for (;;) {
      const colon = this.#received.indexOf(":");
      const end = colon + 1 + Number(this.#received.subarray(0, Math.max(0, colon)).toString());
      if (colon > 0 && this.#received.length >= end) {
        const text = this.#received.subarray(colon + 1, end).toString();
        this.#received = this.#received.subarray(end);
        return JSON.parse(text);
      }
      if (this.#socket.destroyed) throw new Error("Thunderbird has closed the connection");
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
