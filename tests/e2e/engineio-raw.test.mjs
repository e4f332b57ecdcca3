// The same raw request to a live socket.io server and to aivo-server: status and body must be the same.
import assert from "node:assert/strict";
import test from "node:test";
import { WebSocket } from "ws";
import { AivoServer, raw, request } from "./lib/aivo-server.mjs";
import { Peer, token } from "./lib/peers.mjs";
import { sleep, slow } from "./lib/process.mjs";

const upgrade = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" };
const body = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

async function both(t) {
  const node = await Peer.start(t, { maxHttpBufferSize: 5000, pingInterval: 25000, pingTimeout: 60000 });
  const aivo = await AivoServer.start(t, { MAX_PAYLOAD_BYTES: "5000" });
  return [node.url, aivo.url];
}

async function same(t, name, ask) {
  const [expected, actual] = await Promise.all((await both(t)).map(ask));
  assert.deepEqual(actual, expected, name);
  return expected;
}

const cases = {
  "no transport": ["/socket.io/?EIO=4"],
  "an unknown transport": ["/socket.io/?EIO=4&transport=tobacco"],
  "a transport with a property's name": ["/socket.io/?EIO=4&transport=constructor"],
  "no version": ["/socket.io/?transport=polling"],
  "an old version": ["/socket.io/?EIO=3&transport=polling"],
  "version x": ["/socket.io/?EIO=x&transport=polling"],
  "an unknown session, polling": ["/socket.io/?EIO=4&transport=polling&sid=nope"],
  "an unknown session, POST": ["/socket.io/?EIO=4&transport=polling&sid=nope", { method: "POST", body: "40" }],
  "a handshake by POST": ["/socket.io/?EIO=4&transport=polling", { method: "POST", body: "40" }],
  "a handshake by PUT": ["/socket.io/?EIO=4&transport=polling", { method: "PUT" }],
  "a handshake by HEAD": ["/socket.io/?EIO=4&transport=polling", { method: "HEAD" }],
  "websocket without an upgrade": ["/socket.io/?EIO=4&transport=websocket"],
};

for (const [name, [path, options]] of Object.entries(cases)) {
  test(`error: ${name}`, async (t) => {
    await same(t, name, async (url) => {
      const answer = await request(url, { path, ...options });
      return { status: answer.status, body: body(answer.body) };
    });
  });
}

for (const [name, path] of Object.entries({
  "unknown session": "/socket.io/?EIO=4&transport=websocket&sid=nope",
  "unknown transport": "/socket.io/?EIO=4&transport=tobacco",
})) {
  test(`refused upgrade: ${name}`, async (t) => {
    // Node's body is bare text, ours the JSON of the other errors: the status and the message agree.
    const [node, aivo] = await both(t);
    const expected = await request(node, { path, headers: upgrade });
    const actual = await request(aivo, { path, headers: upgrade });
    assert.equal(actual.status, expected.status);
    const { message } = body(actual.body);
    assert.equal(message ?? actual.body, expected.body);
  });
}

test("the handshake: shape, content type, and no cookie", async (t) => {
  const seen = await same(t, "handshake", async (url) => {
    const answer = await request(url, { path: "/socket.io/?EIO=4&transport=polling" });
    const { sid, ...rest } = JSON.parse(answer.body.slice(1));
    assert.match(sid, /^[\w-]{20}$/);
    return { status: answer.status, type: answer.headers["content-type"], cookie: answer.headers["set-cookie"], first: answer.body[0], rest };
  });
  assert.deepEqual(seen.rest.upgrades, ["websocket"]);
});

const open = async (url) => JSON.parse((await request(url, { path: "/socket.io/?EIO=4&transport=polling" })).body.slice(1)).sid;
const poll = (url, sid, options) => request(url, { path: `/socket.io/?EIO=4&transport=polling&sid=${sid}`, ...options });

test("a POST is answered ok", async (t) => {
  await same(t, "post", async (url) => {
    const answer = await poll(url, await open(url), { method: "POST", body: "40/nope," });
    return { status: answer.status, body: answer.body, type: answer.headers["content-type"] };
  });
});

test("an unknown namespace over polling", async (t) => {
  await same(t, "namespace", async (url) => {
    const sid = await open(url);
    await poll(url, sid, { method: "POST", body: "40/nope," });
    return (await poll(url, sid)).body;
  });
});

test("an oversized POST", async (t) => {
  await same(t, "oversized", async (url) => {
    const sid = await open(url);
    const answer = await poll(url, sid, { method: "POST", body: "4".repeat(6000) });
    return { status: answer.status, body: answer.body };
  });
});

test("overlapping GETs: the second is refused and the session is over", async (t) => {
  await same(t, "overlap", async (url) => {
    const sid = await open(url);
    await poll(url, sid, { method: "POST", body: "40/nope," });
    await poll(url, sid);
    const first = poll(url, sid);
    await sleep(100);
    const second = await poll(url, sid);
    const { body: last } = await first;
    return { second: second.status, first: last, then: (await poll(url, sid)).status };
  });
});

test("a client's close packet ends the session", async (t) => {
  await same(t, "close", async (url) => {
    const sid = await open(url);
    const answer = await poll(url, sid, { method: "POST", body: "1" });
    const after = await poll(url, sid);
    return { status: answer.status, body: answer.body, after: after.status, error: body(after.body) };
  });
});

test("a POST that is no packet ends the session", async (t) => {
  await same(t, "garbage", async (url) => {
    const sid = await open(url);
    const answer = await poll(url, sid, { method: "POST", body: "abc" });
    // Node says ok and ends the session; aivo-server says 400 already.
    assert.ok([200, 400].includes(answer.status));
    return { after: (await poll(url, sid)).status };
  });
});

// What becomes of a WebSocket connection in the main namespace that is sent something: the packets it got, and its end.
function afterwards(url, data) {
  return new Promise((resolve) => {
    const ws = new WebSocket(`${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
    const got = [];
    const finish = (how) => {
      clearTimeout(timer);
      ws.terminate();
      resolve({ how, got });
    };
    const timer = setTimeout(() => finish("open"), 1500 * slow);
    ws.on("error", () => {});
    ws.on("close", () => finish("closed"));
    ws.on("message", (message) => {
      const text = String(message);
      if (text.startsWith("0{")) ws.send(`40${JSON.stringify({ token: token() })}`);
      else if (text.startsWith("40")) [data].flat().forEach((part) => ws.send(part));
      else if (!text.startsWith('42["connection:quality"')) got.push(text);
    });
  });
}

test("packets that a Node server closes upon, and those that it bears", async (t) => {
  const [node, aivo] = await both(t);
  const packets = ["42[]", "42{}", "42", "427", "42/", "42/,7", "42/other,", "4", "", "47", "49", '42["connect"]', '42["disconnecting"]', "42[7]", "42[{}]", "2", "3", "6", "9",
    "x", '40{"token":"again"}', "450-[]", '4511-["a"]', '45-["a"]', "451", '42-1["a"]', '421["no-such-event"]', "431[]", "43[]", '44{"a":1}',
    '42/other,["a"]', '40/other,', "40/other,[]", "41", '42["a"', '42["a",1]', "1", "5", "2probe"];
  // aivo-server is stricter on purpose: an ack without an id, and over WebSocket too the Engine.IO close packet end the
  // connection; Node lets them pass unread.
  const stricter = new Set(["43[]", "1"]);
  const mixed = [['451-["a",{"_placeholder":true,"num":0}]', '42["a"]'], ['451-["a",{"_placeholder":true,"num":0}]', Buffer.from("b")],
    ['451-["a",{"_placeholder":true,"num":5}]', Buffer.from("b")], Buffer.from("stray")];
  const differences = [];
  await Promise.all([...packets, ...mixed].map(async (packet) => {
    const [expected, actual] = await Promise.all([afterwards(node, packet), afterwards(aivo, packet)]);
    if (stricter.has(packet)) expected.how = "closed";
    if (JSON.stringify(actual) !== JSON.stringify(expected)) differences.push(`${packet}: node ${JSON.stringify(expected)}, aivo ${JSON.stringify(actual)}`);
  }));
  assert.equal(differences.join("\n"), "");
});

test("CONNECT payloads that are no object, and events before CONNECT", async (t) => {
  const [node, aivo] = await both(t);
  const first = (url, data) => new Promise((resolve) => {
    const ws = new WebSocket(`${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
    const timer = setTimeout(() => (ws.terminate(), resolve("open")), 700 * slow);
    ws.on("error", () => {});
    ws.on("close", () => (clearTimeout(timer), resolve("closed")));
    ws.on("message", (message) => String(message).startsWith("0{") && ws.send(data));
  });
  for (const data of ["40[]", "40null", "405", '40"text"', "40{", '42["a"]', "41", "43[]", Buffer.from("b")])
    assert.equal(await first(aivo, data), await first(node, data), String(data));
});

test("what is no HTTP at all is closed", async (t) => {
  const [, aivo] = await both(t);
  const port = Number(new URL(aivo).port);
  for (const bytes of ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GARBAGE\r\n\r\n", "\0".repeat(500), `GET /${"a".repeat(70000)} HTTP/1.1\r\n\r\n`]) {
    await raw(port, Buffer.from(bytes, "latin1"), 1500);
    assert.equal((await request(aivo, { path: "/healthz" })).status, 200);
  }
});
