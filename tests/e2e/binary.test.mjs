// libaivo against socket.io: binary data both ways.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import test from "node:test";
import { Driver } from "./lib/driver.mjs";
import { Peer } from "./lib/peers.mjs";
import { slow } from "./lib/process.mjs";

const digest = (data) => createHash("sha256").update(data).digest("hex");
const placeholder = (num) => ({ _placeholder: true, num });

async function connected(t, how = {}) {
  const peer = await Peer.start(t, { maxHttpBufferSize: 4e6 });
  const connection = peer.connection();
  const driver = new Driver(t);
  await driver.connect({ url: peer.url }, how);
  return { driver, socket: await connection };
}

test("several attachments to the server, and back in the acknowledgement", async (t) => {
  const { driver, socket } = await connected(t);
  const parts = [Buffer.from("one"), Buffer.alloc(0), randomBytes(1000), Buffer.from([0, 255, 10])];
  socket.on("up", (value, ack) => {
    for (const [i, part] of parts.entries()) assert.ok(part.equals(value.parts[i]), `part ${i}`);
    ack("thanks", value.parts[2], { again: value.parts[0] });
  });
  const ack = await driver.emitWithAck("up", [{ parts: parts.map((_, i) => placeholder(i)) }],
    { attachments: parts.map((part) => part.toString("base64")) });
  assert.deepEqual(ack.args, ["thanks", placeholder(0), { again: placeholder(1) }]);
  assert.deepEqual(ack.attachments.map((a) => Buffer.from(a, "base64")), [parts[2], parts[0]]);
});

test("from the server with an ack: the driver sends it all back", async (t) => {
  const { socket } = await connected(t, { on: [{ event: "down", answer: "echo" }] });
  const data = Array.from({ length: 10 }, (_, i) => randomBytes(i * 7));
  const back = await socket.timeout(5000 * slow).emitWithAck("down", { list: data });
  assert.deepEqual(back.list.map(digest), data.map(digest));
});

test("one megabyte each way", async (t) => {
  const { driver, socket } = await connected(t, { on: ["down"] });
  const data = randomBytes(1 << 20);
  const arrived = new Promise((resolve) => socket.on("up", (value) => resolve(digest(value))));
  await driver.do("emit", { event: "up", args: [placeholder(0)], attachments: [data.toString("base64")] });
  assert.equal(await arrived, digest(data));
  socket.emit("down", data, "tail");
  const event = await driver.next("event", undefined, 15000);
  assert.deepEqual(event.args, [placeholder(0), "tail"]);
  assert.equal(digest(Buffer.from(event.attachments[0], "base64")), digest(data));
});

test("binary and text events interleaved keep their order", async (t) => {
  const { driver, socket } = await connected(t, { on: ["b", "t"] });
  for (let i = 0; i < 100; i++) {
    socket.emit("b", Buffer.from([i]));
    socket.emit("t", i);
  }
  await driver.next("event", (e) => e.event === "t" && e.args[0] === 99);
  const seen = driver.all("event").map((e) => (e.event === "b" ? `b${Buffer.from(e.attachments[0], "base64")[0]}` : `t${e.args[0]}`));
  assert.deepEqual(seen, Array.from({ length: 100 }, (_, i) => [`b${i}`, `t${i}`]).flat());
});

test("the bound of ten attachments, and placeholders that do not fit", async (t) => {
  const { driver, socket } = await connected(t);
  socket.on("ten", (...args) => args.pop()(args.length));
  const parts = (n) => ({ args: Array.from({ length: n }, (_, i) => placeholder(i)), attachments: Array(n).fill("AAA=") });
  const ten = parts(10);
  assert.deepEqual((await driver.emitWithAck("ten", ten.args, ten)).args, [10]);
  assert.equal((await driver.ask("emit", { event: "eleven", ...parts(11) })).status, "AIVO_E_INVALID");
  assert.equal((await driver.ask("emit", { event: "x", args: [placeholder(1)], attachments: ["AA=="] })).status, "AIVO_E_INVALID");
  assert.equal((await driver.emitWithAck("ten", ten.args, ten)).status, "AIVO_OK");
});
