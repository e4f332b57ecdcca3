// libaivo against servers that do not keep to the protocol: each gives its own clear error and nothing crashes.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import net from "node:net";
import test from "node:test";
import { WebSocketServer } from "ws";
import { Driver } from "./lib/driver.mjs";
import { listen } from "./lib/peers.mjs";
import { slow } from "./lib/process.mjs";

const open = (more = {}) =>
  `0${JSON.stringify({ sid: "s", upgrades: [], pingInterval: 25000, pingTimeout: 20000, maxPayload: 100000, ...more })}`;

// A WebSocket server that runs a script for each connection.
async function scripted(t, script) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket, request) => {
    socket.on("error", () => {});
    script(socket, request.socket);
  });
  await new Promise((resolve) => server.on("listening", resolve));
  t.after(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

async function firstError(t, url, options = {}) {
  const driver = new Driver(t);
  await driver.create({ url, handshakeTimeoutMs: 1000, connectTimeoutMs: 1000, reconnect: { enabled: false }, ...options });
  await driver.do("start");
  const { error } = await driver.next("state", (e) => e.error, 6000);
  assert.ok(error.message.length > 0);
  return error;
}

test("TCP is accepted and nothing is ever said", async (t) => {
  const server = net.createServer((socket) => socket.on("error", () => {}));
  const port = await listen(server);
  t.after(() => server.close());
  const begin = Date.now();
  const error = await firstError(t, `http://127.0.0.1:${port}`, { connectTimeoutMs: 400 });
  assert.equal(error.status, "AIVO_E_TIMEOUT");
  assert.ok(Date.now() - begin < 2500 * slow);
});

test("an answer to the upgrade that never ends", async (t) => {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.write("HTTP/1.1 101 Switching Protocols\r\n");
    const timer = setInterval(() => socket.write(`X-${"a".repeat(50)}: b\r\n`), 20);
    socket.on("close", () => clearInterval(timer));
  });
  const port = await listen(server);
  t.after(() => server.close());
  const error = await firstError(t, `http://127.0.0.1:${port}`, { connectTimeoutMs: 500 });
  assert.match(error.status, /AIVO_E_(TIMEOUT|PROTOCOL|CONNECT|HTTP|CLOSED)/);
});

test("no Engine.IO handshake, and no CONNECT answer", async (t) => {
  for (const script of [() => {}, (socket) => socket.send(open())]) {
    const error = await firstError(t, await scripted(t, script), { handshakeTimeoutMs: 300 });
    assert.equal(error.status, "AIVO_E_TIMEOUT");
  }
});

test("what is no Engine.IO handshake", async (t) => {
  for (const text of ["", "x", "0", "0{", "0[]", '0{"sid":5}', "40", "9", `0${"[".repeat(5000)}`, open({ pingInterval: -1 })]) {
    const error = await firstError(t, await scripted(t, (socket) => socket.send(text)));
    assert.equal(error.status, "AIVO_E_PROTOCOL", JSON.stringify(text.slice(0, 40)));
  }
});

test("what is no Socket.IO packet closes the connection as a protocol error", async (t) => {
  const packets = ["42", "42{}", "42[]", "42[1", "47", "45-[]", "451-[\"a\",{\"_placeholder\":true,\"num\":3}]", "42/x", "4x",
    "43[]", `42["a",${"[".repeat(3000)}`, "429999999999999999999999[\"a\"]", "40{\"sid\":\"again\"}", "\u00ff\u0000"];
  const harmless = new Set(["43[]", "42/x", "40{\"sid\":\"again\"}"]);
  for (const packet of packets) {
    const url = await scripted(t, (socket) => {
      socket.send(open());
      socket.on("message", (data) => {
        if (!String(data).startsWith("40")) return;
        socket.send('40{"sid":"x"}');
        socket.send(packet);
        socket.send('42["fine"]');
      });
    });
    const driver = new Driver(t);
    await driver.connect({ url }, { on: ["fine"] });
    if (harmless.has(packet)) continue;
    const event = await driver.next("state", (e) => e.from === "connected");
    assert.equal(event.error.status, "AIVO_E_PROTOCOL", packet.slice(0, 40));
    assert.equal(driver.all("event").length, 0, packet.slice(0, 40));
  }
});

test("a text packet where an attachment is due, a binary one where none is", async (t) => {
  const scripts = [
    (socket) => { socket.send('451-["a",{"_placeholder":true,"num":0}]'); socket.send('42["fine"]'); },
    (socket) => socket.send(Buffer.from("stray")),
  ];
  for (const script of scripts) {
    const url = await scripted(t, (socket) => {
      socket.send(open());
      socket.on("message", (data) => String(data).startsWith("40") && (socket.send('40{"sid":"x"}'), script(socket)));
    });
    const driver = new Driver(t);
    await driver.connect({ url });
    assert.equal((await driver.next("state", (e) => e.from === "connected")).error.status, "AIVO_E_PROTOCOL");
  }
});

test("random bytes instead of frames, 30 times over", async (t) => {
  for (let i = 0; i < 30; i++) {
    const url = await scripted(t, (socket, raw) => {
      if (i % 3 === 0) raw.write(randomBytes(200));
      else if (i % 3 === 1) socket.send(randomBytes(100), { binary: true });
      else socket.send(randomBytes(100).toString("latin1"));
    });
    const error = await firstError(t, url, { handshakeTimeoutMs: 500 });
    assert.match(error.status, /AIVO_E_(PROTOCOL|CLOSED|TIMEOUT|TOO_LARGE)/);
  }
});

test("text that is no UTF-8, fragments that never end, a frame that claims 2^62 bytes", async (t) => {
  const frames = [Buffer.from([0x81, 2, 0xc3, 0x28]), Buffer.from([0x01, 1, 0x34]), Buffer.from([0x82, 127, 0x40, 0, 0, 0, 0, 0, 0, 0, 1])];
  for (const frame of frames) {
    const error = await firstError(t, await scripted(t, (socket, raw) => raw.write(frame)), { handshakeTimeoutMs: 400 });
    assert.match(error.status, /AIVO_E_(PROTOCOL|CLOSED|TIMEOUT|TOO_LARGE)/);
  }
});

test("an ack that nobody asked for, with an id out of range, is ignored", async (t) => {
  const url = await scripted(t, (socket) => {
    socket.send(open());
    socket.on("message", (data) => {
      if (String(data).startsWith("40")) socket.send('40{"sid":"x"}');
      const match = /^42(\d+)/.exec(String(data));
      if (match) ["4399[1]", "434294967296[1]", `43${match[1]}["right"]`, `43${match[1]}["twice"]`].forEach((p) => socket.send(p));
    });
  });
  const driver = new Driver(t);
  await driver.connect({ url });
  assert.deepEqual((await driver.emitWithAck("x", [])).args, ["right"]);
  assert.deepEqual((await driver.emitWithAck("x", [])).args, ["right"]);
  assert.equal(driver.all("ack").length, 2);
});
