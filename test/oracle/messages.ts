/** Random messages in the form in which content travels (CRLF), and ways to change one on its way. */
import type { Choices } from "./choices.ts";

export interface GeneratedMessage {
  /** Whole fields with their CRLF. */
  fields: string[];
  /** Behind the empty line. */
  body: string;
}

const words = [
  "alpha",
  "beta",
  "gamma",
  "x",
  "=?utf-8?q?=C3=A4?=",
  "a  b",
  "\tc",
  "d;",
  '"e"',
  "(f)",
  "<g@h.test>",
  "ü",
];
const names = [
  "To",
  "Cc",
  "Subject",
  "Date",
  "Message-ID",
  "MIME-Version",
  "X-Thing",
  "List-Id",
  "Comments",
  "Reply-To",
];

export function generateMessage(choices: Choices, fromDomain: string): GeneratedMessage {
  const fields = choices.several(8, () => field(choices, choices.pick(names)));
  const from = `From: ${choices.mostly([`a@${fromDomain}`, `"A B" <a@${fromDomain}>`, `A\r\n <a@${fromDomain}>`])}\r\n`;
  fields.splice(choices.int(fields.length + 1), 0, ...(choices.chance(0.01) ? [] : [from]));
  if (choices.chance(0.01)) fields.push(from);
  return { fields, body: body(choices) };
}

export function field(choices: Choices, name: string): string {
  const colon = choices.mostly([": ", ":", ":  ", ":\t", " :", ":\r\n "], 0.8);
  const spelled = choices.mostly([name, name.toUpperCase(), name.toLowerCase()]);
  return `${spelled}${colon}${foldedText(choices)}${choices.mostly(["", " ", "\t "], 0.9)}\r\n`;
}

function foldedText(choices: Choices): string {
  const parts = [choices.pick(words), ...choices.several(6, () => choices.pick(words))];
  return parts.join(choices.mostly([" ", "\r\n ", "\r\n\t ", "  "], 0.6)).replaceAll(/\r\n[ \t]*(?=\r\n|$)/g, " ");
}

function body(choices: Choices): string {
  if (choices.chance(0.08)) return choices.pick(["", "\r\n", "\r\n\r\n", " \r\n", " ", "\t\r\n\r\n", "x"]);
  const line = (): string =>
    choices.pick([
      "",
      "",
      " ",
      "\t \t",
      "text",
      "two  words",
      " lead",
      "trail \t",
      ".",
      "..x",
      "ümlaut",
      "a\tb ",
      "x".repeat(70),
    ]);
  const lines = [line(), ...choices.several(10, line)];
  return lines.join("\r\n") + choices.mostly(["\r\n", "", "\r\n\r\n", "\r\n\r\n\r\n"], 0.6);
}

/** A change of the message, some of which canonicalization forgives; most of the time none. */
export function mutateMessage(choices: Choices, message: GeneratedMessage): void {
  if (choices.chance(0.5)) return;
  const at = choices.int(message.fields.length);
  const chosen = message.fields[at] ?? "";
  switch (choices.int(14)) {
    case 0:
      message.fields.splice(at, 1);
      break;
    case 1:
      message.fields.splice(at, 0, chosen);
      break;
    case 2:
      message.fields = choices.shuffled(message.fields);
      break;
    case 3:
      message.fields[at] = chosen.replace(/^[^:]+/, (name) => choices.pick([name.toUpperCase(), `${name} `]));
      break;
    case 4:
      message.fields[at] = chosen
        .replaceAll(" ", choices.pick(["  ", "\t", "\r\n "]))
        .replaceAll(/\r\n[ \t]*\r\n/g, "\r\n");
      break;
    case 5:
      message.fields.splice(at, 0, field(choices, choices.pick([...names, "From", "DKIM-Signature"])));
      break;
    case 6:
      message.fields[at] = chosen.replace(/\r\n$/, choices.pick([" \r\n", "x\r\n", "\t\r\n"]));
      break;
    case 7:
      message.body += choices.pick(["x", "\r\n", "\r\n\r\n", " ", "more\r\n", " \r\n"]);
      break;
    case 8:
      message.body = message.body.replace(/[ \t]+/, choices.pick([" ", "", "  ", "\t"]));
      break;
    case 9:
      message.body = message.body.replaceAll(/[ \t]+\r\n/g, "\r\n");
      break;
    case 10:
      message.body = choices.pick(["x", "\r\n", " "]) + message.body;
      break;
    case 11:
      message.body = message.body.replace(/(\r\n)*$/, choices.pick(["", "\r\n", "\r\n\r\n"]));
      break;
    case 12:
      message.body = message.body.slice(0, choices.int(message.body.length + 1)).replace(/\r$/, "");
      break;
    default:
      message.body = "";
  }
}

export function textOf({ fields, body: text }: GeneratedMessage): Buffer {
  return Buffer.from(`${fields.join("")}\r\n${text}`, "utf8");
}

/** They never get as far as verification: content with them is refused, or repaired, when it is received. */
export function withoutBareLineEnds(text: string): string {
  return text.replaceAll(/\r(?!\n)|(?<!\r)\n/g, "");
}
