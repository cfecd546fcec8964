/** What comes to the address for reports: read whatever it is packed in, and final whatever it is. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import type { DeliveryJob } from "../queue/delivery-agent.ts";
import { readReports, reportsMax } from "../reporting/received/read-reports.ts";
import {
  doubtfulReportsNamespace,
  keptRowsMax,
  reportDetailsNamespace,
  reportKey,
  reportsNamespace,
  type ReportSummary,
} from "../reporting/received/received-report.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { conformancePath, noConformanceData, vectorPath } from "../testing/conformance-data.ts";
import { storedMessage, storedRecipient } from "../testing/delivery-fixture.ts";
import { ReportDelivery } from "./report-delivery.ts";

const receivedAt = Date.UTC(2026, 0, 2);
const message = storedMessage({ receivedAt, reversePath: "far@far.test" });

interface Details {
  readonly rows?: readonly { readonly source: string }[];
  readonly policies?: readonly { readonly domain: string }[];
}

interface Delivered {
  /** Of the first report. */
  readonly summary: ReportSummary;
  readonly details: Details | undefined;
  readonly all: readonly ReportSummary[];
  readonly namespaces: readonly string[];
  readonly said: string;
}

async function deliver(
  raw: Buffer | string,
  options: { readonly size?: number; readonly junk?: true } = {},
): Promise<Delivered> {
  const bytes = Buffer.from(raw);
  const agent = new ReportDelivery({
    log: new CollectingLog(),
    settings: () => ({ keepMs: 86_400_000 }),
    work: {
      // What a thread of its own gets and gives is plain data.
      read: async (...input) => structuredClone(readReports(...structuredClone(input))),
    },
  });
  const job: DeliveryJob = {
    message: options.junk === undefined ? message : { ...message, junk: true },
    recipients: [storedRecipient("reports@example.org")],
    hop: { kind: "reports", site: "reports", description: "reports" },
    openContent: () =>
      Promise.resolve({
        size: options.size ?? bytes.length,
        async *chunks() {
          for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  };
  const { outcomes, records = [] } = await agent.deliver(job);
  const [outcome] = outcomes;
  assert.equal(outcome?.outcome.kind, "delivered", "nothing is tried again or answered");
  const puts = records.map((change) => {
    assert.ok(change.kind === "put" && change.key.startsWith(reportKey(message.id)));
    assert.equal(change.expiresAt, receivedAt + 86_400_000);
    return change;
  });
  const details = puts.find(({ namespace }) => namespace === reportDetailsNamespace)?.value;
  const summaries = puts.filter(({ namespace }) => namespace !== reportDetailsNamespace);
  const all = summaries.map(({ value }) => value as ReportSummary);
  return {
    summary: all[0] ?? assert.fail("nothing was kept"),
    details: details === undefined ? undefined : (JSON.parse(details as string) as Details),
    all,
    namespaces: summaries.map(({ namespace }) => namespace),
    said: outcome.outcome.diagnostic?.text ?? "",
  };
}

function mail(body: Buffer | string, type = "application/gzip"): string {
  const lines = Buffer.from(body).toString("base64").replaceAll(/.{76}/g, "$&\r\n");
  return `From: <a@far.test>\r\nMIME-Version: 1.0\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="x"\r\n\r\n${lines}\r\n`;
}

function reasonOf({ summary }: Delivered): string {
  return summary.kind === "unreadable" ? summary.reason : assert.fail(`it was read as ${summary.kind}`);
}

const rows = (count: number) =>
  Array.from(
    { length: count },
    (_, index) =>
      `<record><row><source_ip>10.1.${index >> 8}.${index & 255}</source_ip><count>${index + 1}</count></row></record>`,
  ).join("");
const xml = (content: string) =>
  `<feedback><report_metadata><org_name>Far</org_name></report_metadata><policy_published><domain>example.org</domain></policy_published>${content}</feedback>`;

test("every sample mail with a report is read", async (t) => {
  const folders = [conformancePath("dmarc", "reports", "aggregate"), conformancePath("tls-rpt", "reports")];
  const files = folders.flatMap((folder) => (folder === undefined ? [] : globSync(`${folder}/**/*.eml`)));
  if (files.length === 0) return t.skip(noConformanceData);
  for (const file of files) {
    const { summary, details } = await deliver(readFileSync(file));
    const name = path.basename(file);
    const reason = summary.kind === "unreadable" ? summary.reason : "";
    assert.equal(summary.kind, file.includes("tls-rpt") ? "tls" : "dmarc", `${name}: ${reason}`);
    assert.ok(summary.kind === "dmarc" ? details?.rows !== undefined : details?.policies !== undefined);
    assert.ok(summary.total > 0 && summary.domain !== "", name);
  }
  return undefined;
});

test("samples of failure reports are no aggregate reports, and end as unreadable", async (t) => {
  const folder = vectorPath(t, "dmarc", "reports", "failure");
  if (folder === undefined) return;
  for (const file of globSync(`${folder}/**/*.eml`)) assert.match(reasonOf(await deliver(readFileSync(file))), /./);
});

test("declared types and names are not asked; the first octets are", async () => {
  const report = xml(rows(2));
  for (const type of ["application/zip", "text/html", "image/png", "application/octet-stream; name=a.exe"]) {
    for (const body of [report, gzipSync(report)])
      assert.equal((await deliver(mail(body, type))).summary.kind, "dmarc");
  }
  const plain = `From: a@far.test\r\nContent-Type: text/plain\r\n\r\n${report}\r\n`;
  assert.equal((await deliver(plain)).summary.kind, "dmarc", "in the text itself");
});

test("a report is summed up, and one with very many rows is kept without the smallest", async () => {
  const few = await deliver(mail(xml(rows(3))));
  assert.ok(few.summary.kind === "dmarc");
  assert.deepEqual([few.summary.total, few.summary.failed, few.summary.problems.length], [6, 6, 1]);
  assert.match(few.said, /DMARC report of Far about example\.org/);
  const count = keptRowsMax + 10;
  const { summary, details } = await deliver(mail(gzipSync(xml(rows(count)))));
  assert.ok(summary.kind === "dmarc");
  assert.equal(summary.total, (count * (count + 1)) / 2);
  assert.equal(details?.rows?.length, keptRowsMax);
  assert.match(summary.problems.join(), /10 rows with the fewest/);
});

test("what is broken, hostile or no report at all is kept with its reason", async () => {
  const table: readonly (readonly [string, RegExp])[] = [
    ["Subject: hi\r\n\r\nhello\r\n", /holds no report/],
    ["\r\n", /holds no report/],
    [mail(gzipSync(Buffer.alloc(30_000_000))), /holds more than/],
    [mail(gzipSync(xml("")).subarray(0, 40)), /cut off/],
    [mail("PK\u0003\u0004nonsense"), /zip archive/],
    [mail("<html></html>"), /no aggregate report/],
    [mail('{"a":1}'), /no TLS report/],
    [mail(xml("<a>".repeat(50))), /deeper/],
  ];
  for (const [raw, reason] of table) assert.match(reasonOf(await deliver(raw)), reason);
  assert.match(reasonOf(await deliver("x", { size: 15_000_001 })), /larger than/);
});

test("a good part is found beside bad ones", async () => {
  const parts = [Buffer.from("<html></html>"), gzipSync("text"), gzipSync(xml(rows(1)))];
  const body = parts
    .map(
      (part) =>
        `--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n${part.toString("base64")}\r\n`,
    )
    .join("");
  const raw = `MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Hi\r\n${body}--b--\r\n`;
  assert.equal((await deliver(raw)).summary.kind, "dmarc");
});

const multipart = (parts: readonly string[], boundary = "b") =>
  `MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=${boundary}\r\n\r\npreamble\r\n${parts
    .map((part) => `--${boundary}\r\n${part}\r\n`)
    .join("")}--${boundary}--\r\n`;
const about = (domain: string) => xml(rows(1)).replace("example.org", domain);
const domains = ({ all }: Delivered) => all.map((summary) => (summary.kind === "unreadable" ? "" : summary.domain));

test("every report of a message counts, also in one archive, and each has an id of its own", async () => {
  const two = await deliver(
    multipart([mail(gzipSync(about("a.test"))), "Content-Type: text/plain\r\n\r\nhi", mail(about("b.test"))]),
  );
  assert.deepEqual(domains(two), ["a.test", "b.test"]);
  assert.deepEqual(
    two.all.map(({ id }) => id),
    [message.id, `${message.id}.2`],
  );
  assert.match(two.said, /about a\.test, DMARC report of Far about b\.test/);
  const archive = Buffer.from(zipOfTwo, "base64");
  assert.deepEqual(domains(await deliver(mail(archive, "application/zip"))), ["one.test", "two.test"]);
  const same = await deliver(multipart([mail(about("a.test")), mail(gzipSync(about("a.test")))]));
  assert.deepEqual(domains(same), ["a.test"], "the same one twice is one");
  const many = await deliver(multipart(Array.from({ length: 30 }, (_, number) => mail(about(`d${number}.test`)))));
  assert.equal(many.all.length, reportsMax);
  const [first] = many.all;
  assert.ok(first?.kind === "dmarc" && first.problems.some((problem) => problem.includes("only the first 20 reports")));
});

test("a report within attached messages is found, encoded ones too", async () => {
  const inner = mail(about("deep.test"));
  const attached = `Content-Type: message/rfc822\r\n\r\n${multipart([inner], "inner")}`;
  assert.deepEqual(domains(await deliver(multipart([attached]))), ["deep.test"]);
  assert.deepEqual(domains(await deliver(`Content-Type: message/rfc822\r\n\r\n${inner}`)), ["deep.test"]);
  const encoded = `Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(inner).toString("base64")}`;
  assert.deepEqual(domains(await deliver(multipart([encoded]))), ["deep.test"]);
  const digest = multipart([`\r\n${inner}`]).replace("multipart/mixed", "multipart/digest");
  assert.deepEqual(domains(await deliver(digest)), ["deep.test"]);
});

test("a TLS report without a domain takes it from the header of its own message", async () => {
  const tls = gzipSync(
    JSON.stringify({ "organization-name": "Far", policies: [{ policy: { "policy-type": "sts" }, summary: {} }] }),
  );
  const report = `TLS-Report-Domain: Named.TEST\r\nTLS-Report-Submitter: far.test\r\n${mail(tls, "application/tlsrpt+gzip")}`;
  const direct = await deliver(report);
  assert.deepEqual([domains(direct), direct.details?.policies?.[0]?.domain], [["named.test"], "named.test"]);
  const forwarded = await deliver(
    `TLS-Report-Domain: other.test\r\n${multipart([`Content-Type: message/rfc822\r\n\r\n${report}`])}`,
  );
  assert.deepEqual(domains(forwarded), ["named.test"]);
  assert.deepEqual(domains(await deliver(report.replace("Named.TEST", "<script>"))), [""]);
});

test("a report whose maker gives no name is called so", async () => {
  const { said } = await deliver(mail(about("a.test").replace("<org_name>Far</org_name>", "")));
  assert.equal(said, "kept as DMARC report of a reporter that gives no name about a.test");
});

test("what cannot be read beside a report is told with it", async () => {
  const { summary } = await deliver(multipart([mail(gzipSync(xml("")).subarray(0, 40)), mail(about("a.test"))]));
  assert.ok(summary.kind === "dmarc" && summary.problems.some((problem) => problem.includes("cut off")));
});

test("mail without a report, and reports in mail that is marked as Junk, are kept apart", async () => {
  assert.deepEqual((await deliver("Subject: hi\r\n\r\nhello\r\n")).namespaces, [doubtfulReportsNamespace]);
  assert.deepEqual((await deliver(mail(about("a.test")), { junk: true })).namespaces, [doubtfulReportsNamespace]);
  assert.deepEqual((await deliver(mail(about("a.test")))).namespaces, [reportsNamespace]);
});

test("one budget bounds levels, parts and octets of the whole message", async () => {
  const nested = `From: a@evil.test\r\n${"Content-Type: message/rfc822\r\n\r\n".repeat(16_000)}x\r\n`;
  assert.match(reasonOf(await deliver(nested)), /nested deeper than 8 levels/);
  assert.match(
    reasonOf(await deliver(multipart(Array.from({ length: 10_000 }, () => "\r\nx")))),
    /only the first 50 parts/,
  );
  const bomb = mail(gzipSync(Buffer.concat([Buffer.from('{"a":"'), Buffer.alloc(4_000_000, "{},")])));
  // Each is refused after a mebibyte; the tenth takes the last of the budget, and what is behind it is not looked at.
  const bombs = Array.from({ length: 10 }, () => bomb);
  assert.match(reasonOf(await deliver(multipart([...bombs, mail(about("a.test"))]))), /more than the/);
  assert.deepEqual(domains(await deliver(multipart([...bombs.slice(1), mail(about("a.test"))]))), ["a.test"]);
  const header = `X: ${"y".repeat(70)}\r\n`.repeat(5000);
  assert.match(reasonOf(await deliver(`${header}${mail(about("a.test"))}`)), /header section is too large/);
});

test("messages are read one after the other, so that one at most is in memory", async () => {
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const agent = new ReportDelivery({
    log: new CollectingLog(),
    settings: () => ({ keepMs: 1 }),
    work: {
      read: async (content) => {
        order.push(`reads ${content.length}`);
        await gate.promise;
        if (content.length === 1) throw new Error("a fault of ours");
        return { records: [], reports: [], reason: "none" };
      },
    },
  });
  const job = (size: number): DeliveryJob => ({
    message,
    recipients: [storedRecipient("reports@example.org")],
    hop: { kind: "reports", site: "reports", description: "reports" },
    openContent: async () => {
      order.push(`opens ${size}`);
      const whole = Buffer.alloc(size);
      return { size, whole, chunks: async function* () {}, [Symbol.asyncDispose]: () => Promise.resolve() };
    },
  });
  const first = agent.deliver(job(1));
  const second = agent.deliver(job(2));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(order, ["opens 1", "reads 1"]);
  gate.resolve();
  await assert.rejects(first, /a fault of ours/);
  await second;
  assert.deepEqual(order, ["opens 1", "reads 1", "opens 2", "reads 2"]);
});

/** `one.xml` and `two.xml`, as the zip program packs them. */
const zipOfTwo =
  "UEsDBBQAAAAIAAAAIVzfdl01fwAAANkAAAAHAAAAb25lLnhtbGWPQQ7CMAwEfxS3d8tHvhG5iYGIJo6cRIjfQ1Uoh57WuxpbXryKxIXDg9CkqnWfpXPkzoRqN184C13YEA6HcCKrrim8fB3LmtpdImHUzKmQFnFdWkf4Bghn1iSobapPwqbDgvhUaZ7c7CY3IfwzDDpKpxlhHz6/bEvwOwFHnTdQSwMEFAAAAAgAAAAhXM+HL5t/AAAA2QAAAAcAAAB0d28ueG1sZY9BDsIwDAR/FLd3y0e+EbmJgYi2jhxHFb+HCiiHnta7GltevIrkidOD0KSqeVzEObMzodotrrwIXdgQDodwIqvOJT1j7dNc2l0yYdaFy0q+aXBpjvANEM6sSVLbVTfCpt2SxFJpHMIYhjAg/DNM2lenEeEzvH/Zl+B3Ao46L1BLAQIUAxQAAAAIAAAAIVzfdl01fwAAANkAAAAHAAAAAAAAAAAAAACAAQAAAABvbmUueG1sUEsBAhQDFAAAAAgAAAAhXM+HL5t/AAAA2QAAAAcAAAAAAAAAAAAAAIABpAAAAHR3by54bWxQSwUGAAAAAAIAAgBqAAAASAEAAAAA";
