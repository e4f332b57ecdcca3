// A scripted WebSocket peer without dependencies: it says what a case's script says, so that the command line meets
// servers that aivo-server never is: silent ones, refusing ones, ones that send binary data or hang up.
//
// script: {
//   "status": 503,                     answers every HTTP request with this status instead of upgrading
//   "path": "^/regex",                 answers 404 where the request's target does not match
//   "silent": true,                    accepts and never answers
//   "deaf": true,                      answers no PING
//   "pongs": 5,                        answers so many PINGs and then none
//   "open": [frame, ...],              sent when the WebSocket is open (each connection)
//   "on": [{"text": "^regex", "reply": [frame, ...], "times": 1}, ...]   the first that matches and is not used up
// }
// frame: a string (text; $1.. are the match's groups), {"binary": "base64"}, {"close": 1000}, {"drop": true},
//        {"listen": false} (further connections are refused)
import { connect, createServer } from 'node:net';
import { createHash } from 'node:crypto';

function encode(opcode, payload) {
  const head = payload.length < 126
    ? Buffer.from([0x80 | opcode, payload.length])
    : Buffer.from([0x80 | opcode, 126, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([head, payload]);
}

// Takes whole frames off the buffer: [{opcode, payload}], rest.
function decode(buffer) {
  const frames = [];
  for (;;) {
    if (buffer.length < 6) return [frames, buffer];
    let length = buffer[1] & 127, at = 2;
    if (length === 126) { length = buffer.readUInt16BE(2); at = 4; }
    if (length === 127) { length = Number(buffer.readBigUInt64BE(2)); at = 10; }
    if (buffer.length < at + 4 + length) return [frames, buffer];
    const mask = buffer.subarray(at, at + 4);
    const payload = Buffer.from(buffer.subarray(at + 4, at + 4 + length)).map((byte, i) => byte ^ mask[i & 3]);
    frames.push({ opcode: buffer[0] & 15, payload });
    buffer = buffer.subarray(at + 4 + length);
  }
}

function converse(socket, script, rules, server) {
  let pongs = script.pongs ?? Infinity;
  let buffer = Buffer.alloc(0), open = false;
  const say = (frames, groups = []) => {
    for (const frame of frames) {
      if (typeof frame === 'string') {
        socket.write(encode(1, Buffer.from(frame.replace(/\$(\d)/g, (_, n) => groups[n] ?? ''))));
      } else if (frame.binary !== undefined) {
        socket.write(encode(2, Buffer.from(frame.binary, 'base64')));
      } else if (frame.close) {
        socket.end(encode(8, Buffer.from([frame.close >> 8, frame.close & 255])));
      } else if (frame.drop) {
        socket.destroy();
      } else if (frame.listen === false) {
        server.close();
      }
    }
  };
  const upgrade = () => {
    const end = buffer.indexOf('\r\n\r\n');
    if (end < 0) return;
    const target = /^GET (\S+)/.exec(buffer.toString('latin1', 0, end))?.[1];
    const key = /sec-websocket-key: *(\S+)/i.exec(buffer.toString('latin1', 0, end))?.[1];
    buffer = buffer.subarray(end + 4);
    if (script.silent) return;
    if (script.path && !new RegExp(script.path).test(target ?? '')) script.status = 404;
    if (script.status || !key) {
      socket.end(`HTTP/1.1 ${script.status ?? 400} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    const accept = createHash('sha1').update(key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
                 `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
    open = true;
    say(script.open ?? []);
  };
  const answer = (text) => {
    for (const rule of rules) {
      const match = rule.left > 0 && new RegExp(rule.text, 's').exec(text);
      if (match) {
        rule.left--;
        say(rule.reply, match);
        return;
      }
    }
  };
  socket.on('data', (data) => {
    buffer = Buffer.concat([buffer, data]);
    if (!open) upgrade();
    if (!open) return;
    const [frames, rest] = decode(buffer);
    buffer = rest;
    for (const { opcode, payload } of frames) {
      if (opcode === 9 && !script.deaf && pongs-- > 0) socket.write(encode(10, payload));
      if (opcode === 8) socket.end(encode(8, payload));
      if (opcode === 1) answer(payload.toString());
    }
  });
  socket.on('error', () => {});
}

export function startPeer(script) {
  const sockets = new Set();
  const rules = (script.on ?? []).map((rule) => ({ ...rule, left: rule.times ?? Infinity }));
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    converse(socket, script, rules, server);
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => resolve({
      port: server.address().port,
      stop: () => { for (const socket of sockets) socket.destroy(); server.close(); },
    }));
  });
}

// A port of which nobody listens: it was free a moment ago, and is kept bound to nothing.
export async function closedPort() {
  const peer = await startPeer({ silent: true });
  peer.stop();
  return peer.port;
}

// An HTTP CONNECT proxy that takes every name for this machine; used counts the tunnels. refuse: 403 to everything.
export function startProxy({ refuse } = {}) {
  const sockets = new Set();
  const proxy = { used: 0 };
  const server = createServer((client) => {
    sockets.add(client);
    client.on('error', () => {}).on('close', () => sockets.delete(client));
    client.once('data', (head) => {
      const match = /^CONNECT (\S+):(\d+) /.exec(head.toString('latin1'));
      if (!match || refuse) {
        client.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      proxy.used++;
      const target = connect(Number(match[2]), '127.0.0.1', () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        client.pipe(target).pipe(client);
      });
      sockets.add(target);
      target.on('error', () => client.destroy()).on('close', () => sockets.delete(target));
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(Object.assign(proxy, {
      port: server.address().port,
      stop: () => { for (const socket of sockets) socket.destroy(); server.close(); },
    })));
  });
}
