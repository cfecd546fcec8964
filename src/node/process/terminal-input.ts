/** Standard input for commands: all of it, or one answer at a terminal, hidden where it is a password. */
import { createInterface } from "node:readline/promises";
import { type Readable, Writable } from "node:stream";

export interface TerminalInput {
  readonly isTerminal: boolean;
  readAll(bytesMax: number): Promise<Uint8Array>;
  ask(question: string, options?: { readonly hidden?: boolean }): Promise<string>;
}

export function terminalInput(input: Readable & { readonly isTTY?: boolean }, output: Writable): TerminalInput {
  return {
    isTerminal: input.isTTY === true,
    readAll: async (bytesMax) => {
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of input) {
        const bytes = Buffer.from(chunk as Uint8Array);
        size += bytes.length;
        if (size > bytesMax) throw new Error(`standard input has over ${bytesMax} octets`);
        chunks.push(bytes);
      }
      return Buffer.concat(chunks, size);
    },
    ask: async (question, { hidden = false } = {}) => {
      if (hidden) output.write(question);
      // Readline echoes what is typed to its output, so a hidden answer gets an output that shows nothing.
      const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
      const reader = createInterface({ input, output: hidden ? silent : output, terminal: true });
      try {
        // Readline clears its line before it shows its own prompt, so a visible question is left to it.
        return await reader.question(hidden ? "" : question);
      } finally {
        reader.close();
        if (hidden) output.write("\n");
      }
    },
  };
}
