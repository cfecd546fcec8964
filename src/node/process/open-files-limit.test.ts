import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOpenFilesLimit } from "./open-files-limit.ts";

test("the limit of open files is read as the kernel writes it", () => {
  const limits = (value: string) =>
    `Limit                     Soft Limit           Hard Limit           Units     \n` +
    `Max processes             7823                 7823                 processes \n` +
    `Max open files            ${value.padEnd(21)}524288               files     \n`;
  assert.equal(parseOpenFilesLimit(limits("1024")), 1024);
  assert.equal(parseOpenFilesLimit(limits("unlimited")), undefined);
  assert.equal(parseOpenFilesLimit(""), undefined);
});
