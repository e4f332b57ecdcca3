// A message whose acknowledgement was lost is sent again with the same id, and handled once: by aivo-server, and by a Node
// server that has the lines of docs/delivery.md.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import net from "node:net";
import test from "node:test";
import { AivoServer } from "./lib/aivo-server.mjs";
import { Driver } from "./lib/driver.mjs";
import { listen, Peer, token } from "./lib/peers.mjs";
import { temporaryFolder, until } from "./lib/process.mjs";

// A relay that, `times` times, lets a durable event through and cuts the connection in place of the answer.
async function forgetful(t, port, times) {
  const relay = { cuts: 0 };
  const sockets = new Set();
  const server = net.createServer((near) => {
    const far = net.connect(port, "127.0.0.1");
    let deaf = false, chunks = 0;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => { near.destroy(); far.destroy(); });
    }
    relay.arm = () => { relay.armed = true; };
    near.on("data", (data) => {
      // The upgrade, the CONNECT packet, and then the event: the test says from when on.
      if (++chunks > 2 && relay.armed && relay.cuts < times) deaf = true;
      far.write(data);
    });
    far.on("data", (data) => {
      if (!deaf) return near.write(data);
      relay.cuts++;
      near.destroy();
    });
  });
  relay.url = `http://127.0.0.1:${await listen(server)}`;
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return relay;
}

async function sendThrough(t, relay, auth, event, data) {
  const driver = new Driver(t);
  await driver.connect({ url: relay.url, auth, quality: { enabled: false },
                         queue: { path: `${temporaryFolder(t)}/queue.db`, ackTimeoutMs: 5000 } });
  relay.arm();
  const { messageId } = await driver.do("send", { event, args: [data] });
  const fate = await driver.next("fate", undefined, 20000);
  assert.equal(fate.fate, "acknowledged", JSON.stringify(fate));
  assert.equal(fate.id, messageId);
  assert.equal(fate.args[0].messageId, messageId);
  assert.equal(fate.attempts, 0);
  assert.equal(relay.cuts, 2);
  return { fate, messageId };
}

test("aivo-server handles a message once, though its answer was lost twice", async (t) => {
  const server = await AivoServer.start(t);
  const relay = await forgetful(t, server.port, 2);
  await sendThrough(t, relay, { token: token(), learnerId: "L1" }, "agent:tutor", { input: "why?" });
  assert.equal(await server.metric('websocket_messages_received_total{event="agent:tutor"}'), 3);
  assert.equal(await server.metric('websocket_messages_sent_total{event="tutor:message"}'), 1);
});

test("the lines of docs/delivery.md in a Node server", async (t) => {
  const text = readFileSync(new URL("../../docs/delivery.md", import.meta.url), "utf8");
  const code = /```js\n([\s\S]*?)```/.exec(text)[1];
  const once = new Function(`${code}; return once;`)();
  const peer = await Peer.start(t);
  const handled = [];
  const order = once(async (data) => {
    handled.push(data);
    return { number: handled.length };
  });
  peer.io.on("connection", (socket) => socket.on("order", order));
  const relay = await forgetful(t, peer.port, 2);
  const { fate, messageId } = await sendThrough(t, relay, { userId: "u1" }, "order", { item: "tea" });
  assert.deepEqual(handled, [{ messageId, item: "tea" }]);
  assert.deepEqual(fate.answer, [{ number: 1 }]);
});

test("those lines: a repeat while the first is being handled waits for its answer; a failure is asked again", async () => {
  const text = readFileSync(new URL("../../docs/delivery.md", import.meta.url), "utf8");
  const once = new Function(`${/```js\n([\s\S]*?)```/.exec(text)[1]}; return once;`)();
  const socket = { data: { userId: "u" }, handshake: { auth: {} } };
  let calls = 0, finish;
  const slow = once(() => { calls++; return new Promise((resolve) => { finish = resolve; }); });
  const got = [];
  slow.call(socket, { messageId: "a" }, (value) => got.push(value));
  slow.call(socket, { messageId: "a" }, (value) => got.push(value));
  finish(7);
  await until(() => got.length === 2, "two answers");
  assert.deepEqual([calls, got], [1, [7, 7]]);
  const failing = once(async () => { throw new Error(`no ${++calls}`); });
  failing.call(socket, { messageId: "b" }, (value) => got.push(value));
  await until(() => got.length === 3, "an answer");
  failing.call(socket, { messageId: "b" }, (value) => got.push(value));
  await until(() => got.length === 4, "another answer");
  assert.match(got[3].error, /no 3/);
});
