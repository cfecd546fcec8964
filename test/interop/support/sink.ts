/** A next hop that counts: an SMTP server of somebody else's, which remembers what came for whom. */
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";

export interface Sink extends AsyncDisposable {
  readonly port: number;
  /** How often each recipient's copy was accepted. */
  readonly seen: ReadonlyMap<string, number>;
}

/** `from` is the reverse-path, "" for the null one. */
export interface SinkEnvelope {
  readonly from: string;
  readonly to: readonly string[];
}

export async function startSink(
  onMessage: (content: Buffer, envelope: SinkEnvelope) => void = () => undefined,
): Promise<Sink> {
  const seen = new Map<string, number>();
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS", "AUTH"],
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const { mailFrom, rcptTo } = session.envelope;
        for (const { address } of rcptTo) seen.set(address, (seen.get(address) ?? 0) + 1);
        onMessage(Buffer.concat(chunks), {
          from: mailFrom === false ? "" : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
        });
        callback();
      });
    },
  });
  // A server that is killed in the middle of a conversation is what these tests are about.
  server.on("error", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return {
    port: (server.server.address() as AddressInfo).port,
    seen,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
