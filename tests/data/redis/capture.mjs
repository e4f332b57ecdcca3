// Writes down what Node servers really say to each other: one file for each message, the channel on its first line.
// Run from tests/e2e, where the packages are: node ../data/redis/capture.mjs (needs redis-server).
import { spawn } from "node:child_process";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { readdirSync, unlinkSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const require = createRequire(path.resolve("package.json"));
const { Redis } = require("ioredis");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-adapter");
const { Emitter } = require("@socket.io/redis-emitter");
const { io: connect } = require("socket.io-client");
const folder = path.dirname(fileURLToPath(import.meta.url));
const port = 20000 + Math.floor(Math.random() * 20000);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

for (const name of readdirSync(folder)) if (name.endsWith(".msg")) unlinkSync(path.join(folder, name));
const redis = spawn("redis-server", ["--port", port, "--bind", "127.0.0.1", "--save", ""].map(String));
await sleep(500);
const client = () => new Redis({ host: "127.0.0.1", port });
let label = "";
let serial = 0;
const ear = client();
await ear.psubscribe("*");
ear.on("pmessageBuffer", (_, channel, message) => {
  const name = `${String(++serial).padStart(2, "0")}-${label}.msg`;
  writeFileSync(path.join(folder, name), Buffer.concat([channel, Buffer.from("\n"), message]));
});

async function node() {
  const server = http.createServer();
  const io = new Server(server);
  io.adapter(createAdapter(client(), client()));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  io.on("sum", (x, y, answer) => answer(x + y));
  const socket = connect(`http://127.0.0.1:${server.address().port}`, { transports: ["websocket"] });
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.on("who", (answer) => answer({ me: 1, bytes: Buffer.from([1, 2]) }));
  socket.on("nothing", (answer) => answer());
  return { io, socket };
}
const one = await node();
const two = await node();
await sleep(200);

async function say(name, what) {
  label = name;
  await what();
  await sleep(150);
}
const { io } = one;
await say("emit", () => io.emit("hello", "world"));
await say("emit-room", () => io.to("room 1").emit("hello", 1));
await say("emit-rooms-except", () => io.to(["a", "b"]).except(["c", two.socket.id]).emit("hello", { deep: [true, false, null] }));
await say("emit-volatile", () => io.volatile.compress(false).emit("tick"));
await say("emit-binary", () => io.emit("file", Buffer.from([0, 1, 255]), { more: Buffer.alloc(300, 7) }));
await say("emit-numbers", () => io.emit("numbers", 0, 127, 128, 255, 256, 65536, 4294967296, -1, -32, -33, -129, -32769, -2147483649, 1.5, 9007199254740991));
await say("emit-dates", () => io.emit("dates", new Date(1700000000000), new Date(1700000000123), new Date(-1500)));
await say("emit-texts", () => io.emit("texts", "", "ü😀\u0000\n", "x".repeat(40), "y".repeat(300), "z".repeat(70000)));
await say("emit-long", () => io.emit("long", Array(20).fill([]), Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i]))));
await say("all-rooms", () => io.of("/").adapter.allRooms());
await say("join", () => io.in("a").except("b").socketsJoin(["c", "d"]));
await say("leave", () => io.in("a").socketsLeave("c"));
await say("disconnect", () => io.in("nobody").disconnectSockets(true));
await say("fetch", () => io.in([one.socket.id, two.socket.id]).fetchSockets());
await say("server-side", () => io.serverSideEmit("hello", { a: 1 }));
await say("server-side-ack", () => new Promise((resolve) => io.serverSideEmit("sum", 1, 2, resolve)));
await say("broadcast-ack", () => io.timeout(1000).emitWithAck("who"));
await say("broadcast-ack-nothing", () => io.timeout(1000).to(two.socket.id).emitWithAck("nothing"));
await say("sockets", () => client().publish("socket.io-request#/#", '{"uid":"old123","requestId":"req123","type":0,"rooms":[]}'));
const emitter = new Emitter(client());
await say("emitter-emit", () => emitter.to("room 1").volatile.emit("hello", Buffer.from("x")));
await say("emitter-join", () => emitter.in("a").socketsJoin("b"));
await say("emitter-leave", () => emitter.socketsLeave(["b"]));
await say("emitter-disconnect", () => emitter.in("nobody").disconnectSockets());
await say("emitter-server-side", () => emitter.serverSideEmit("hello", 1));
await say("emitter-namespace", () => emitter.of("/custom").emit("hello"));
redis.kill();
process.exit(0);
