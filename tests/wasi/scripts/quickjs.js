// Files, directories and input by QuickJS's own modules.

import * as os from "qjs:os";
import * as std from "qjs:std";

print(scriptArgs.slice(1).join("|"));
print(std.loadFile("input.txt"));
const file = std.open("output.txt", "w");
for (let i = 0; i < 5000; i++) file.puts(`${i} ${i * i}\n`);
file.close();
const back = std.open("output.txt", "r");
back.seek(100, std.SEEK_SET);
print(back.getline(), back.tell());
back.close();
print(os.mkdir("folder"), os.mkdir("folder"));
print(os.rename("output.txt", "folder/moved.txt"), os.rename("none", "some"));
const [status, error] = os.stat("folder/moved.txt");
print(status.size, error, os.stat("none")[1]);
const [names, failure] = os.readdir("folder");
print(names.sort().join(" "), failure);
print(os.remove("folder/moved.txt"), os.remove("folder"));
const start = Date.now();
os.sleep(20);
print(Date.now() - start >= 19, Date.now() > 1704067200000);
for (let line = std.in.getline(); line !== null; line = std.in.getline()) print("read", line);
os.setTimeout(() => print("later"), 10);
await null;
const sieve = new Uint8Array(200000).fill(1);
let primes = 0;
for (let n = 2; n < sieve.length; n++) {
  if (!sieve[n]) continue;
  primes++;
  for (let m = n * 2; m < sieve.length; m += n) sieve[m] = 0;
}
print(primes, 2n ** 200n, /(\d+)-(?<word>\w+)/.exec("12-ab").groups.word);
print(std.getenv("GREETING"), std.getenv("NOTHING"), std.strerror(2));
print("done");
