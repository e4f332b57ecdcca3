// Random traffic for a server: clients that behave, and peers that do not. One seed gives the same choices again (what
// the network makes of them differs).
import { randomBytes } from "node:crypto";
import http from "node:http";
import net from "node:net";
import { io } from "socket.io-client";
import { token } from "./peers.mjs";
import { sleep } from "./process.mjs";

export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(n) {
    return Math.floor(this.next() * n);
  }

  one(list) {
    return list[this.below(list.length)];
  }

  bytes(n) {
    return Buffer.from(Array.from({ length: n }, () => this.below(256)));
  }
}

// Few users and few message ids: what a server may remember of them is bounded, so that its heap can be compared.
const users = ["learner-1", "learner-2", "learner-3"];
const tokens = users.map((userId) => token({ userId }, { expiresIn: "24h" }));
const events = ["agent:learning", "agent:tutor", "agent:speech", "quality_ping", "bench:broadcast", "message"];
const silent = (stream) => stream.on("error", () => {});

const packets = (r) => [
  `40${JSON.stringify({ token: r.one(tokens), learnerId: `L${r.below(3)}` })}`, "40", "40{}", '40{"token":"x"}', "40/custom,", "40/nope,{}",
  `40${JSON.stringify({ token: r.one(tokens), learnerId: "L1", pid: r.bytes(15).toString("base64url"), offset: "Q84cpKT" })}`,
  "41", "42", "42[]", '42["x"]', `42["${"n".repeat(r.below(2000))}"]`, `42["event-${r.below(1e9)}",1]`, "42[1,2]", "421", '42{"a":1}',
  `42${r.below(1e6)}["agent:learning",{"action":"start_session"}]`, `42${r.below(1e6)}["agent:tutor",{"input":"${"w ".repeat(r.below(300))}"}]`,
  `421["agent:learning",{"action":"process_answer","activityId":"add-3-4","answer":7,"messageId":"m${r.below(50)}"}]`,
  `422["agent:speech",{"audioBuffer":"${r.bytes(r.below(3000)).toString("base64")}"}]`, '42["quality_ping",{"pingId":1}]',
  '451-["agent:speech",{"audioBuffer":{"_placeholder":true,"num":0}}]', '4510-["x",{"_placeholder":true,"num":9}]', "4599999999-[]", "45-[]",
  '452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]', `42["x",${"[".repeat(r.below(200))}`, "43[]", "431[1]", "461-[]",
  '44{"message":"x"}', "3", "2", "1", "0", "5", "6", "2probe", "3probe", "b", "bAAAA", "b!", "x", "", "4", "4\u0000", `4${"9".repeat(400)}`,
  '42["bench:broadcast",{"n":1}]', `42/${"n".repeat(r.below(700))},["x"]`, "42-1[\"x\"]", '42["disconnect"]',
];

function mutated(r, text) {
  const bytes = Buffer.from(text);
  for (let n = r.below(3); n > 0 && bytes.length; n--) bytes[r.below(bytes.length)] = r.below(256);
  return r.below(4) ? bytes : bytes.subarray(0, r.below(bytes.length + 1));
}

// A masked frame, sometimes with wrong bits, lengths or opcode.
function frame(r, payload) {
  const wild = r.below(20) === 0;
  const opcode = wild ? r.below(16) : r.one([1, 1, 1, 1, 1, 2, 9, 10, 0, 8]);
  const length = wild ? r.below(70000) : payload.length;
  const head = [(r.below(15) ? 0x80 : 0) | (wild ? r.below(8) << 4 : 0) | opcode];
  const mask = r.below(40) ? 0x80 : 0;
  if (length < 126) head.push(mask | length);
  else if (length < 65536) head.push(mask | 126, length >> 8, length & 255);
  else head.push(mask | 127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255);
  const key = r.bytes(4);
  const body = Buffer.from(payload);
  if (mask) for (let i = 0; i < body.length; i++) body[i] ^= key[i & 3];
  return Buffer.concat([Buffer.from(head), mask ? key : Buffer.alloc(0), body]);
}

function bytesTo(server, bytes, { thenMs = 200, end = "destroy" } = {}) {
  return new Promise((resolve) => {
    const parts = [];
    const socket = silent(net.connect(server.port, "127.0.0.1"));
    socket.on("data", (part) => parts.length < 100 && parts.push(part));
    const done = () => (clearTimeout(timer), socket.destroy(), resolve(Buffer.concat(parts).toString("latin1")));
    const timer = setTimeout(() => (end === "half" ? (socket.end(), setTimeout(done, 50)) : done()), thenMs);
    socket.on("close", done);
    for (const part of Array.isArray(bytes) ? bytes : [bytes]) socket.write(part);
  });
}

const upgradeHead = (path) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;

async function polled(server) {
  const answer = await bytesTo(server, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", { thenMs: 1000 });
  return /"sid":"([^"]+)"/.exec(answer)?.[1] || "A".repeat(20);
}

const post = (sid, body, extra = "") =>
  Buffer.concat([Buffer.from(`POST /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n${extra}Content-Length: ${body.length}\r\n\r\n`), body]);

// A client as clients are, until it leaves in one way or another.
async function guest(server, r) {
  const socket = io(server.url, {
    auth: { token: r.below(10) ? r.one(tokens) : "bad", learnerId: `L${r.below(3)}` },
    transports: r.one([["websocket"], ["polling"], ["polling", "websocket"]]),
    forceNew: true, reconnection: r.below(3) === 0, reconnectionDelay: 50, timeout: 2000,
  });
  socket.onAny(() => {});
  for (let n = r.below(25); n > 0; n--) {
    const payload = r.one([
      { action: "start_session" }, { action: "process_answer", activityId: "mul-6-7", answer: r.below(50), messageId: `g${r.below(50)}` },
      { input: "why? ".repeat(r.below(50)) }, { audioBuffer: randomBytes(r.below(5000)), targetText: "cat" }, r.bytes(r.below(100)), "text", null, 7,
    ]);
    if (r.below(2)) socket.emit(r.one(events), payload);
    else socket.timeout(1000).emit(r.one(events), payload, () => {});
    if (!r.below(3)) await sleep(r.below(20));
  }
  await sleep(r.below(150));
  if (socket.io.engine && r.below(3) === 0) {
    socket.io.engine.close();
    await sleep(200);
  }
  socket.close();
}

// A WebSocket whose frames are ours.
async function frames(server, r) {
  const parts = [Buffer.from(upgradeHead("/socket.io/?EIO=4&transport=websocket"))];
  if (r.below(4)) parts.push(frameOf(packets(r)[0]));
  const list = packets(r);
  for (let n = r.below(30); n > 0; n--) parts.push(frame(r, r.below(3) ? Buffer.from(r.one(list)) : mutated(r, r.one(list))));
  if (!r.below(10)) for (let n = 0; n < 200; n++) parts.push(frameOf("p", 0x89));
  await bytesTo(server, r.below(2) ? Buffer.concat(parts) : parts, { thenMs: r.below(400), end: r.one(["destroy", "half"]) });
}

function frameOf(text, first = 0x81) {
  const payload = Buffer.from(text);
  const head = payload.length < 126 ? [first, 0x80 | payload.length] : [first, 0xfe, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload]);
}

// HTTP that is nearly right, or not at all.
async function requests(server, r) {
  const path = r.one(["/socket.io/", "/socket.io", "/engine.io/", "/metrics", "/metrics/prometheus", "/healthz", "/readyz", "/", "/%00", "//x"]);
  const query = r.one(["", "?", "?EIO=4", "?EIO=3&transport=polling", "?EIO=4&transport=polling", "?EIO=4&transport=nope", "?EIO=4&transport=websocket",
    `?EIO=4&transport=polling&sid=${r.bytes(15).toString("base64url")}`, `?${"a=b&".repeat(r.below(100))}`, `?${"%".repeat(r.below(50))}`, `?EIO=${"9".repeat(r.below(100))}`]);
  const method = r.one(["GET", "GET", "POST", "OPTIONS", "HEAD", "PUT", "DELETE", "", "\u0001"]);
  const head = `${method} ${path}${query} HTTP/1.1\r\nHost: x\r\n${r.one(["", "Origin: http://evil\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 99999999\r\n", "Content-Length: -1\r\n", `X: ${"h".repeat(r.below(9000))}\r\n`])}\r\n`;
  await bytesTo(server, r.below(3) ? head : mutated(r, head), { thenMs: r.below(300), end: r.one(["destroy", "half"]) });
}

// Polls and posts of one session, over each other, cut off, with garbage inside.
async function polling(server, r) {
  const sid = await polled(server);
  const list = packets(r);
  const jobs = [];
  for (let n = 1 + r.below(6); n > 0; n--) {
    const body = Buffer.concat(Array.from({ length: r.below(5) }, () => Buffer.concat([r.below(3) ? Buffer.from(r.one(list)) : mutated(r, r.one(list)), Buffer.from("\x1e")])));
    jobs.push(bytesTo(server, r.below(2) ? `GET /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\n\r\n`
      : r.below(5) ? post(sid, body) : post(sid, body).subarray(0, 100 + r.below(50)), { thenMs: r.below(300) }));
    if (r.below(2)) await sleep(r.below(20));
  }
  await Promise.all(jobs);
}

// A polling session that begins an upgrade and does not end it, or not as it should.
async function upgrades(server, r) {
  const sid = await polled(server);
  const parts = [Buffer.from(upgradeHead(`/socket.io/?EIO=4&transport=websocket&sid=${sid}`))];
  for (const text of r.one([[], ["2probe"], ["2probe", "2probe"], ["2probe", "5"], ["2probe", "5", packets(r)[0]], ["5"], ["x"], ["2probe", "5", "5"]])) parts.push(frameOf(text));
  const both = [bytesTo(server, parts, { thenMs: r.below(500) })];
  if (r.below(2)) both.push(bytesTo(server, `GET /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\n\r\n`, { thenMs: r.below(400) }));
  if (r.below(2)) both.push(bytesTo(server, post(sid, Buffer.from(packets(r)[0]))));
  await Promise.all(both);
}

// One that comes back, and one that pretends to.
async function returning(server, r) {
  const connect = async (more) => {
    const payload = { token: tokens[0], learnerId: "L1", ...more };
    const parts = [Buffer.from(upgradeHead("/socket.io/?EIO=4&transport=websocket")), frameOf(`40${JSON.stringify(payload)}`), frameOf('42["agent:tutor",{"input":"x"}]')];
    const answer = await bytesTo(server, Buffer.concat(parts), { thenMs: 100 + r.below(100) });
    return { pid: /"pid":"([^"]+)"/.exec(answer)?.[1], offset: [...answer.matchAll(/,"([0-9A-Za-z_.-]{7,20})"\]/g)].at(-1)?.[1] };
  };
  let seen = await connect({});
  for (let n = r.below(4); n > 0; n--) seen = await connect(r.one([seen, { pid: seen.pid }, { ...seen, offset: "Q84cpKT" }, {}]));
}

async function scrape(server) {
  await new Promise((resolve) => {
    http.get(`${server.url}/metrics/prometheus`, { agent: false }, (response) => response.resume().on("close", resolve)).on("error", resolve);
  });
}

const kinds = [guest, guest, guest, frames, frames, frames, requests, polling, polling, upgrades, returning, scrape];

// Keeps `workers` of them busy for so long; resolves with how many of each kind there were.
export async function traffic(server, { seed, seconds, workers = 30 }) {
  const counts = {};
  const end = Date.now() + seconds * 1000;
  const worker = async (n) => {
    const r = new Random(seed + n * 7919);
    while (Date.now() < end && !server.ended) {
      const kind = r.one(kinds);
      counts[kind.name] = (counts[kind.name] || 0) + 1;
      await kind(server, r);
    }
  };
  await Promise.all(Array.from({ length: workers }, (_, n) => worker(n)));
  return counts;
}
