/** Modules for the older interface: a database, and a compiler whose programs run at once. Ruby for the newer. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { runInWasmtime, WasiPod } from "./oracle.ts";

const SQLITE = "npm/sqlite.wasm";

let pod: WasiPod;
beforeAll(async () => {
  pod = await WasiPod.boot({ workers: 1 });
});
afterAll(() => pod?.[Symbol.dispose]());

test("sqlite answers as it does in wasmtime", async () => {
  const options = {
    argv: ["test.db"],
    stdin: [
      "create table squares(n integer primary key, square integer, name text);",
      "with recursive count(n) as (select 1 union all select n + 1 from count where n < 2000)",
      "insert into squares select n, n * n, 'row ' || n from count;",
      "create index by_name on squares(name);",
      "select count(*), sum(square), max(name) from squares;",
      "begin; delete from squares where n % 3 = 0; rollback;",
      "delete from squares where n % 2 = 0; vacuum;",
      "select count(*) from squares; select * from squares where name = 'row 1999';",
      "select * from nothing;",
    ].join("\n"),
  };
  const [wanted, found] = await Promise.all([runInWasmtime(SQLITE, options), pod.run(SQLITE, options)]);
  expect(wanted.stdout).toContain("2000|2668667000|row 999");
  expect(found).toEqual(wanted);
});

test("what sqlite has written is there for the next process", async () => {
  const { stdout, stderr } = await pod.shell(
    [
      "mkdir /tmp/db && cd /tmp/db",
      `/mnt/${SQLITE} kept.db "create table t(a); insert into t values(41), (42);"`,
      `/mnt/${SQLITE} kept.db "select max(a) from t;" && ls`,
    ].join("; "),
  );
  expect([stdout, stderr]).toEqual(["42\nkept.db\n", ""]);
});

test("clang and its linker make a program that the pod runs", async () => {
  const program = [
    "#include <stdio.h>",
    "#include <string.h>",
    "int main(int argc, char **argv) {",
    '  printf("%d %s %zu\\n", argc, argv[1], strlen(argv[2]));',
    '  FILE *file = fopen("written", "w");',
    '  fputs("by the program\\n", file);',
    "  return fclose(file) + 7;",
    "}",
  ].join("\n");
  const SYSROOT = "/mnt/npm/sys";
  const compile = [
    `/mnt/npm/clang.wasm -cc1 -triple wasm32-unknown-wasi -isysroot ${SYSROOT} -internal-isystem ${SYSROOT}/include`,
    `-internal-isystem ${SYSROOT}/lib/clang/8.0.1/include -O2 -emit-obj -o main.o main.c`,
  ].join(" ");
  const link = [
    `/mnt/npm/wasm-ld.wasm --no-threads -L${SYSROOT}/lib/wasm32-wasi ${SYSROOT}/lib/wasm32-wasi/crt1.o main.o -lc`,
    "-o main",
  ].join(" ");
  const { stdout, stderr, status } = await pod.execute("/bin/sh", {
    argv: ["-c", `${compile} && ${link} && chmod +x main && { ./main one three; echo $?; cat written; }`],
    files: { "main.c": program },
  });
  expect([stdout, stderr, status]).toEqual(["3 one 5\n7\nby the program\n", "", 0]);
});

test("clang says what is wrong with a program", async () => {
  const { stderr, status } = await pod.run("npm/clang.wasm", {
    argv: ["-cc1", "-fsyntax-only", "wrong.c"],
    files: { "wrong.c": "int main(void) { return missing; }\n" },
  });
  expect(status).toBe(1);
  expect(stderr).toContain("wrong.c:1:25: error: use of undeclared identifier 'missing'");
});

test("ruby computes, and reads and writes files", async () => {
  const script = [
    "puts RUBY_VERSION, (1..20).inject(:*), [3, 1, 2].sort.inspect, 'ruby'.reverse.sub(/b(.)/) { $1.upcase }",
    "File.write('made', 'text' * 3); puts File.read('made'), Dir.children('.').sort.inspect, ENV['GREETING']",
    "begin; File.open('none'); rescue SystemCallError => e; puts e.class; end",
    "exit 9",
  ].join("\n");
  const found = await pod.run("npm/ruby-3.2.0.wasm", {
    argv: ["script.rb"],
    files: { "script.rb": script },
    env: { GREETING: "hello" },
  });
  const lines = ["3.2.0", "2432902008176640000", "[1, 2, 3]", "yUr", "texttexttext", '["made", "script.rb"]', "hello"];
  expect(found.stdout).toBe([...lines, "Errno::ENOENT", ""].join("\n"));
  expect(found.status).toBe(9);
});
