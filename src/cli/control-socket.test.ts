import assert from "node:assert/strict";
import { test } from "node:test";
import { CliError } from "./exit-code.ts";
import { controlSocketOf, socketPathMax, socketPathProblem, usableControlSocket } from "./control-socket.ts";

test("a data directory whose control socket the system cannot have is refused with the numbers, by octets", () => {
  const longest = `/${"a".repeat(socketPathMax - "//control.sock".length)}`;
  assert.equal(controlSocketOf(longest).length, socketPathMax);
  assert.equal(socketPathProblem(longest), undefined);
  assert.equal(usableControlSocket(longest), controlSocketOf(longest));
  const problem = socketPathProblem(`${longest}b`) ?? "";
  assert.ok(problem.includes(`is ${socketPathMax + 1} octets long`), problem);
  assert.ok(problem.includes(`may have at most ${socketPathMax}`), problem);
  assert.notEqual(socketPathProblem(longest.replace("aa", "ää")), undefined);
  assert.throws(() => usableControlSocket(`${longest}b`), CliError);
});
