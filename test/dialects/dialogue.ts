/**
 * Dialogues as text files, which people can read beside the document that describes them. A line is one of these:
 *
 *     # a comment; one of them names the source
 *     name: value        how the dialogue is played, or what has to come of it; the player knows the names
 *     C: line            what the client says; lines that follow each other are sent at once
 *     S: line            what the server says, line by line
 *     TLS                the handshake, after STARTTLS was accepted
 *     CLOSE: client      this side ends the connection (`server`: the other one)
 *
 * In what the other side says, `*` stands for any text. `{name}` is a value of the player, `{base64:text}` is the text in
 * base64, `\xNN` is an octet, `\\` a backslash, and a backslash at the end of a line leaves out its CRLF.
 */
import { readFileSync } from "node:fs";

export type Step =
  | { readonly kind: "client" | "server"; readonly lines: readonly string[] }
  | { readonly kind: "tls" }
  | { readonly kind: "close"; readonly side: "client" | "server" };

export interface Dialogue {
  readonly path: string;
  readonly steps: readonly Step[];
  /** Every value of a name, in order. */
  all(name: string): readonly string[];
  /** The only value of a name. */
  one(name: string): string | undefined;
}

export type Variables = Readonly<Record<string, string>>;

/** Throws where a line is none of the format, and where no source is named. */
export function readDialogue(path: string): Dialogue {
  const text = readFileSync(path, "utf8");
  if (!/^# (?:Source|Recorded): \S/m.test(text)) throw new Error(`${path}: a comment has to name the source`);
  const steps: { kind: Step["kind"]; lines: string[]; side?: string }[] = [];
  const values = new Map<string, string[]>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [, name = "", value = ""] = /^([A-Za-z-]+)(?:: ?(.*))?$/.exec(line) ?? [];
    if (name === "") throw new Error(`${path}:${index + 1}: no line of a dialogue`);
    if (name === "TLS") steps.push({ kind: "tls", lines: [] });
    else if (name === "CLOSE") steps.push({ kind: "close", lines: [], side: value });
    else if (name === "C" || name === "S") {
      const kind = name === "C" ? "client" : "server";
      const last = steps.at(-1);
      if (last?.kind === kind) last.lines.push(value);
      else steps.push({ kind, lines: [value] });
    } else values.set(name, [...(values.get(name) ?? []), value]);
  }
  return {
    path,
    steps: steps as readonly Step[],
    all: (name) => values.get(name) ?? [],
    one: (name) => {
      const found = values.get(name) ?? [];
      if (found.length > 1) throw new Error(`${path}: ${name} may be given once`);
      return found[0];
    },
  };
}

/** A line as it goes over the wire. Throws for a name that the player does not know. */
export function octetsOf(line: string, variables: Variables): Buffer {
  const open = (/\\*$/.exec(line)?.[0].length ?? 0) % 2 === 1;
  const text = textOf(open ? line.slice(0, -1) : line, variables);
  return Buffer.concat([unescaped(text), Buffer.from(open ? "" : "\r\n")]);
}

/** Whether `line` (latin1, without its CRLF) is what `pattern` says. */
export function fits(line: string, pattern: string, variables: Variables): boolean {
  const parts = textOf(pattern, variables)
    .split("*")
    .map((part) => RegExp.escape(unescaped(part).toString("latin1")));
  return new RegExp(`^${parts.join("[^]*")}$`).test(line);
}

function textOf(line: string, variables: Variables): string {
  const named = line.replaceAll(/\{([a-z-]+)\}/g, (whole, name: string) => {
    const value = variables[name];
    if (value === undefined) throw new Error(`${whole} has no value`);
    return value;
  });
  return named.replaceAll(/\{base64:([^}]*)\}/g, (_, text: string) => unescaped(text).toString("base64"));
}

function unescaped(text: string): Buffer {
  const pieces = text.match(/\\x[0-9A-Fa-f]{2}|\\\\|[^\\]+|\\/g) ?? [];
  return Buffer.concat(
    pieces.map((piece) => {
      if (piece.startsWith("\\x")) return Buffer.from(piece.slice(2), "hex");
      return Buffer.from(piece === "\\\\" ? "\\" : piece);
    }),
  );
}
