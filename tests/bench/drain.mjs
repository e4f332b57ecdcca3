// How long 10,000 queued messages take over a link with a round trip of 50 ms: libaivo's queue, and socket.io-client with
// `retries` through the same relay to the same server (fewer of them: it has one packet in flight).
//   node tests/bench/drain.mjs [BUILD] [MESSAGES] [MESSAGES of socket.io-client]
import { spawn, execFileSync } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";

const { io } = createRequire(new URL("../e2e/package.json", import.meta.url))("socket.io-client");
const [build = "build/dev", count = 10000, few = 200] = process.argv.slice(2);
const program = `${build}/tests/test_queue_drain`;

const [messages, seconds] = execFileSync(program, [String(count)], { encoding: "utf8" }).trim().split(" ").map(Number);
console.log(`libaivo            ${messages} messages in ${seconds.toFixed(2)} s (aim 10 s)`);

const server = spawn(program, ["serve"], { stdio: ["pipe", "pipe", "inherit"] });
const port = Number(String((await once(server.stdout, "data"))[0]));
const socket = io(`http://127.0.0.1:${port}`, { transports: ["websocket"], retries: 3, ackTimeout: 10000 });
await once(socket, "connect");
const begin = performance.now();
await Promise.all(Array.from({ length: Number(few) }, () =>
  new Promise((resolve) => socket.emit("m", { text: "hello" }, resolve))));
const took = (performance.now() - begin) / 1000;
console.log(`socket.io-client   ${few} messages in ${took.toFixed(2)} s: ${((took / few) * messages).toFixed(0)} s for ${messages}`);
socket.close();
server.stdin.end();
