// libaivo as a plain WebSocket client, against `ws`.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import test from "node:test";
import { WebSocketServer } from "ws";
import { Driver } from "./lib/driver.mjs";
import { sleep } from "./lib/process.mjs";

async function server(t, options = {}) {
  const wss = new WebSocketServer({ port: 0, host: "127.0.0.1", ...options });
  await new Promise((resolve) => wss.on("listening", resolve));
  t.after(() => {
    for (const client of wss.clients) client.terminate();
    wss.close();
  });
  return { wss, url: `ws://127.0.0.1:${wss.address().port}/live?room=7` };
}

test("messages as they are, text and binary, both ways", async (t) => {
  const { wss, url } = await server(t, { handleProtocols: (set) => (set.has("aivo.v1") ? "aivo.v1" : false) });
  const connection = new Promise((resolve) => wss.on("connection", (socket, request) => resolve({ socket, request })));
  const driver = new Driver(t);
  await driver.connect({ url, protocol: "websocket", subprotocol: "aivo.v1" }, { on: ["message"] });
  const { socket, request } = await connection;
  assert.equal(request.url, "/live?room=7");
  assert.equal(socket.protocol, "aivo.v1");
  socket.on("message", (data, binary) => socket.send(data, { binary }));
  await driver.do("raw", { text: 'any "text" \u{1F600}' });
  assert.equal((await driver.next("event")).args, 'any "text" \u{1F600}');
  const data = randomBytes(300000).toString("base64");
  await driver.do("raw", { attachments: [data] });
  const binary = await driver.next("event", undefined, 10000);
  assert.deepEqual(binary.attachments, [data]);
  assert.equal(binary.args, undefined);
});

test("the server's close is noticed, and the client comes back", async (t) => {
  const { wss, url } = await server(t);
  let count = 0;
  wss.on("connection", (socket) => count++ || setTimeout(() => socket.close(4001, "bye"), 50));
  const driver = new Driver(t);
  await driver.connect({ url, protocol: "websocket" });
  assert.equal((await driver.next("state", (e) => e.from === "connected")).error.status, "AIVO_E_CLOSED");
  await driver.state("connected");
  assert.equal(count, 2);
});

test("send_raw belongs to plain WebSocket, emit with ack to Socket.IO", async (t) => {
  const { url } = await server(t);
  const driver = new Driver(t);
  await driver.connect({ url, protocol: "websocket" });
  await sleep(20);
  assert.notEqual((await driver.ask("emit", { event: "x", ack: true })).status, "AIVO_OK");
});
