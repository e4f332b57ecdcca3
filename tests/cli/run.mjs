// Runs the command line's tests, which are data: tests/cli/*.json, described in tests/cli/README.md.
//
//   AIVO_BUILD=build/dev node tests/cli/run.mjs [FILE.json | TEXT OF A NAME]...
//
// The last line is "N passed, N failed, N skipped".
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { X509Certificate, createHash, createHmac } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { closedPort, startPeer, startProxy } from './peer.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const build = resolve(process.env.AIVO_BUILD ?? join(here, '../../build/dev'));
const cli = join(build, 'sdk/aivo');
const serverBinary = join(build, 'server-stub/aivo-server');
const SECRET = 'tests-secret-tests-secret-tests-secret';
const CASE_MS = 30000;
const PARALLEL = Number(process.env.AIVO_PARALLEL ?? 3); // most of them wait
const PARALLEL_TIMED = 3; // of those that are held to a time, or judge one

const base64url = (text) => Buffer.from(text).toString('base64url');

function mint(secret, claims) {
  const signed = `${base64url('{"alg":"HS256","typ":"JWT"}')}.${base64url(JSON.stringify(claims))}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

function substitute(value, vars) {
  if (typeof value === 'string') return value.replace(/\{(\w+)\}/g, (all, name) => vars[name] ?? all);
  if (Array.isArray(value)) return value.map((item) => substitute(item, vars));
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, substitute(item, vars)]));
  }
  return value;
}

// A CA, a server's certificate for 127.0.0.1, one for another name, and a client's; made once, when first asked for.
let certificates;
function certs() {
  if (certificates) return certificates;
  const dir = mkdtempSync(join(tmpdir(), 'aivo-certs-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Tests CA');
  for (const [name, san] of [['server', 'IP:127.0.0.1'], ['other', 'DNS:other.example'], ['client', 'DNS:client']]) {
    openssl('req', '-x509', ...key, '-keyout', `${name}.key`, '-out', `${name}.pem`, '-days', '2', '-CA', 'ca.pem',
            '-CAkey', 'ca.key', '-subj', `/CN=${name}`, '-addext', `subjectAltName=${san}`,
            '-addext', 'basicConstraints=critical,CA:FALSE');
  }
  const spki = new X509Certificate(readFileSync(join(dir, 'server.pem'))).publicKey.export({ type: 'spki', format: 'der' });
  certificates = { certs: dir, pin: `sha256//${createHash('sha256').update(spki).digest('base64')}` };
  return certificates;
}

// Starts aivo-server on any port; resolves when it says where it listens.
function startServer(options, cwd) {
  const child = spawn(serverBinary, ['--port', '0', ...(options.args ?? [])], {
    cwd,
    env: { ...process.env, NEXTAUTH_SECRET: SECRET, ...(options.env ?? {}) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Promise((done, failed) => {
    let text = '';
    const read = (data) => {
      text += data;
      const match = /listening on https?:\/\/\S*:(\d+)/.exec(text);
      if (match) done({ port: Number(match[1]), stop: () => stopChild(child) });
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('error', failed);
    child.on('exit', (code) => failed(new Error(`aivo-server ended with ${code}: ${text}`)));
  });
}

function stopChild(child) {
  return new Promise((done) => {
    if (child.exitCode !== null || child.signalCode !== null) return done();
    child.on('exit', () => { clearTimeout(hard); done(); });
    child.kill('SIGTERM');
    const hard = setTimeout(() => child.kill('SIGKILL'), 5000);
  });
}

const quote = (word) => `'${word.replaceAll("'", "'\\''")}'`;

// What to spawn: the program itself, or with "tty" under script(1), which gives it a terminal.
function commandOf(step) {
  const program = step.program ? join(build, 'sdk', step.program) : cli;
  if (step.shell) return ['sh', ['-c', step.shell, 'sh', program, ...step.args]];
  if (!step.tty) return [program, step.args];
  const then = step.tty.then;
  const resize = then ? `(sleep ${then.afterMs / 1000}; stty cols ${then.columns} </dev/tty) & ` : '';
  const line = `stty cols ${step.tty.columns ?? 80} rows ${step.tty.rows ?? 24}; ${resize}exec ${[program, ...step.args].map(quote).join(' ')}`;
  return ['script', ['-qec', line, '/dev/null']];
}

function runStep(step, cwd) {
  const env = { PATH: process.env.PATH, HOME: cwd, LC_ALL: 'C.UTF-8', TERM: 'xterm', ...(step.env ?? {}) };
  for (const name of ['ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS']) {
    if (process.env[name]) env[name] = process.env[name];
  }
  const [program, args] = commandOf(step);
  const stdout = step.stdoutTo ? openSync(step.stdoutTo, 'w') : 'pipe';
  const child = spawn(program, args, { cwd, env, stdio: ['pipe', stdout, 'pipe'] });
  if (step.stdoutTo) closeSync(stdout);
  const result = { stdout: '', stderr: '', code: null, signal: null, ms: 0 };
  const began = Date.now();
  let signalled = false;
  const look = () => {
    if (step.signal && !signalled && new RegExp(step.signal.after, 'm').test(result.stdout + result.stderr)) {
      signalled = true;
      child.kill(step.signal.name);
    }
    if (step.closeStdout && new RegExp(step.closeStdout, 'm').test(result.stdout)) child.stdout.destroy();
    if (step.stdinLater && !child.stdin.writableEnded &&
        new RegExp(step.stdinLater.after, 'm').test(result.stdout + result.stderr)) {
      child.stdin.end(step.stdinLater.text);
    }
  };
  child.stdout?.setEncoding('utf8').on('data', (data) => { result.stdout += data; look(); });
  child.stderr.setEncoding('utf8').on('data', (data) => { result.stderr += data; look(); });
  child.stdin.on('error', () => {}); // it may have ended without reading
  if (!step.stdinLater && !step.stdinOpen) child.stdin.end(step.stdin ?? '');
  const hard = setTimeout(() => child.kill('SIGKILL'), step.limit ?? CASE_MS);
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (code, signal) => {
      clearTimeout(hard);
      done({ ...result, code, signal, ms: Date.now() - began });
    });
  });
}

// Runs aivo beside the steps until the case ends; resolves once what it says matches "after".
function startBeside(beside, cwd) {
  const child = spawn(cli, beside.args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((done, failed) => {
    let text = '';
    const read = (data) => {
      text += data;
      if (new RegExp(beside.after, 'm').test(text)) done({ stop: () => stopChild(child), text });
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('error', failed);
    child.on('exit', (code) => failed(new Error(`what ran beside it ended with ${code}: ${text}`)));
  });
}

function checkTexts(what, text, wanted, problems) {
  if (wanted === undefined) return;
  if (typeof wanted === 'string') {
    if (text !== wanted) problems.push(`${what} is not exactly ${JSON.stringify(wanted)}`);
    return;
  }
  for (const pattern of wanted) {
    const not = pattern.startsWith('!');
    if (new RegExp(not ? pattern.slice(1) : pattern, 'm').test(text) === not) {
      problems.push(`${what} ${not ? 'matches' : 'does not match'} /${not ? pattern.slice(1) : pattern}/`);
    }
  }
}

// Is every member of wanted in value, with that very value (a string that begins with ~ is a pattern)?
function includes(value, wanted) {
  if (typeof wanted === 'string' && wanted.startsWith('~')) return new RegExp(wanted.slice(1)).test(String(value));
  if (wanted === null || typeof wanted !== 'object') return value === wanted;
  return value !== null && typeof value === 'object' &&
    (!Array.isArray(wanted) || (Array.isArray(value) && value.length === wanted.length)) &&
    Object.entries(wanted).every(([key, item]) => includes(value[key], item));
}

function checkJson(text, wanted, problems) {
  if (!wanted) return;
  const lines = text.split('\n').filter((line) => line !== '');
  let values;
  try {
    values = lines.map((line) => JSON.parse(line));
  } catch (error) {
    problems.push(`a line of stdout is no JSON: ${error.message}`);
    return;
  }
  if (wanted.lines !== undefined && lines.length !== wanted.lines) {
    problems.push(`stdout has ${lines.length} lines, not ${wanted.lines}`);
  }
  for (const value of values) {
    if (wanted.keys && Object.keys(value).join() !== wanted.keys.join()) {
      problems.push(`the keys are ${Object.keys(value)}`);
    }
    if (wanted.each && !includes(value, wanted.each)) problems.push(`${JSON.stringify(value)} lacks what each has`);
    for (const key of wanted.numbers ?? []) {
      if (typeof value[key] !== 'number') problems.push(`${key} is ${value[key]}, no number`);
    }
  }
  for (const [index, item] of Object.entries(wanted.at ?? {})) {
    if (!includes(values.at(Number(index)), item)) problems.push(`line ${index} is ${JSON.stringify(values.at(Number(index)))}`);
  }
}

// The validator of docs/diagnose.schema.json, made once, when first asked for.
let validate;
function checkSchema(text, wanted, problems) {
  if (!wanted) return;
  if (!validate) {
    const Ajv = createRequire(join(here, '../e2e/package.json'))('ajv/dist/2020.js').default;
    const schema = JSON.parse(readFileSync(join(here, '../../docs/diagnose.schema.json'), 'utf8'));
    validate = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true }).compile(schema);
  }
  for (const line of text.split('\n').filter((one) => one !== '')) {
    if (!validate(JSON.parse(line))) problems.push(`not as the schema wants it: ${JSON.stringify(validate.errors)}`);
  }
}

// What Prometheus' own tool says of standard output: nothing.
function checkMetrics(text, wanted, problems) {
  if (!wanted) return;
  const said = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  if (said.status !== 0 || said.stdout + said.stderr !== '') problems.push(`promtool: ${said.stdout}${said.stderr}${said.error ?? ''}`);
}

function checkJwt(text, wanted, problems) {
  if (!wanted) return;
  const [head, body, signature] = text.trim().split('.');
  if (createHmac('sha256', wanted.secret).update(`${head}.${body}`).digest('base64url') !== signature) {
    problems.push('the signature is wrong');
  }
  const header = JSON.parse(Buffer.from(head, 'base64url')), claims = JSON.parse(Buffer.from(body, 'base64url'));
  if (header.alg !== 'HS256') problems.push(`alg is ${header.alg}`);
  if (claims.sub !== wanted.user || claims.userId !== wanted.user) problems.push(`it is for ${claims.sub}`);
  if (claims.exp - claims.iat !== wanted.ttl) problems.push(`it is valid for ${claims.exp - claims.iat} s`);
  if (Math.abs(claims.iat - Date.now() / 1000) > 30) problems.push('it was not issued now');
}

function check(step, result) {
  const problems = [];
  if (result.code !== step.code) problems.push(`exit code ${result.code ?? result.signal}, not ${step.code}`);
  checkTexts('stdout', result.stdout, step.stdout, problems);
  checkTexts('stderr', result.stderr, step.stderr, problems);
  checkJson(result.stdout, step.json, problems);
  checkSchema(result.stdout, step.schema, problems);
  checkMetrics(result.stdout, step.promtool, problems);
  checkJwt(result.stdout, step.jwt, problems);
  if (step.atLeastMs && result.ms < step.atLeastMs) problems.push(`it ended after ${result.ms} ms`);
  if (step.atMostMs && result.ms > step.atMostMs) problems.push(`it took ${result.ms} ms`);
  // No secret may ever be printed by what connects.
  if (!step.jwt && (result.stdout + result.stderr).includes(SECRET)) problems.push('the secret was printed');
  return problems;
}

// "server", "peer" and "closed" of a step start what {url} and {port} stand for; without one the last stays.
async function prepare(step, state) {
  if (step.server || step.peer || step.closed) {
    await state.other?.stop();
    state.other = undefined;
  }
  if (step.tls) Object.assign(state.vars, certs());
  if (step.proxy) {
    state.proxy = await startProxy(step.proxy);
    state.vars.proxy = `http://127.0.0.1:${state.proxy.port}`;
  }
  if (step.server) {
    const options = substitute(step.server === true ? {} : step.server, state.vars);
    if (step.tls) {
      options.env = { SSL_ENABLED: 'true', SSL_CERT_PATH: `${state.vars.certs}/server.pem`,
                      SSL_KEY_PATH: `${state.vars.certs}/server.key`, ...options.env };
    }
    state.other = await startServer(options, state.cwd);
    state.vars.port = state.other.port;
  } else if (step.peer) {
    state.other = await startPeer(step.peer);
    state.vars.port = state.other.port;
  } else if (step.closed) {
    state.vars.port = await closedPort();
  }
  state.vars.url = `${step.tls ? 'https' : 'http'}://127.0.0.1:${state.vars.port}`;
}

async function runCase(test) {
  const now = Math.floor(Date.now() / 1000);
  const state = {
    cwd: mkdtempSync(join(tmpdir(), 'aivo-cli-')),
    vars: {
      secret: SECRET,
      port: 1,
      hundred: Array.from({ length: 100 }, (_, i) => `${i}\n`).join(''),
      thousand: Array.from({ length: 1000 }, (_, i) => `${i}\n`).join(''),
      kilobyte: 'k'.repeat(1024),
      long: 'u'.repeat(257),
      token: mint(SECRET, { sub: 'learner-1', userId: 'learner-1', iat: now, exp: now + 3600 }),
      expired: mint(SECRET, { sub: 'learner-1', userId: 'learner-1', iat: now - 7200, exp: now - 3600 }),
    },
  };
  try {
    for (const step of test.steps ?? [test]) {
      await prepare(step, state);
      for (const [name, text] of Object.entries(step.files ?? {})) {
        writeFileSync(join(state.cwd, name), substitute(text, state.vars));
      }
      if (step.beside !== undefined) {
        await state.beside?.stop();
        state.beside = step.beside ? await startBeside(substitute(step.beside, state.vars), state.cwd) : undefined;
        for (const [name, pattern] of Object.entries(step.beside?.keep ?? {})) {
          state.vars[name] = new RegExp(pattern, 'm').exec(state.beside.text)?.[1] ?? `no ${name}`;
        }
      }
      const ready = substitute({ ...step, peer: undefined, server: undefined }, state.vars);
      const result = await runStep(ready, state.cwd);
      const problems = check(ready, result);
      for (const [name, pattern] of Object.entries(step.keep ?? {})) {
        state.vars[name] = new RegExp(pattern, 'm').exec(result.stdout)?.[1] ?? `no ${name}`;
      }
      if (step.tunnels !== undefined && state.proxy.used !== step.tunnels) {
        problems.push(`the proxy made ${state.proxy.used} tunnels, not ${step.tunnels}`);
      }
      if (problems.length > 0) return { problems, step: ready, result };
    }
    return undefined;
  } catch (error) {
    return { problems: [error.stack], step: { args: [] }, result: {} };
  } finally {
    await state.beside?.stop();
    await state.other?.stop();
    state.proxy?.stop();
    rmSync(state.cwd, { recursive: true, force: true });
  }
}

function load(filters) {
  const cases = [];
  for (const file of readdirSync(here).filter((name) => name.endsWith('.json')).sort()) {
    for (const test of JSON.parse(readFileSync(join(here, file), 'utf8'))) {
      const name = `${file.replace(/\.json$/, '')}: ${test.name}`;
      if (filters.length === 0 || filters.some((filter) => file === filter || name.includes(filter))) {
        cases.push({ ...test, name });
      }
    }
  }
  return cases;
}

const cases = load(process.argv.slice(2));
let passed = 0, failed = 0;
async function work(waiting) {
  while (waiting.length > 0) {
    const test = waiting.shift();
    const failure = await runCase(test);
    if (!failure) {
      passed++;
      console.log(`ok ${test.name}`);
      continue;
    }
    failed++;
    console.log(`FAILED ${test.name}`);
    console.log(`    ${failure.step.program ?? 'aivo'} ${failure.step.args.join(' ')}`);
    for (const problem of failure.problems) console.log(`    ${problem}`);
    for (const stream of ['stdout', 'stderr']) {
      const text = failure.result[stream] ?? '';
      if (text) console.log(`    ${stream}: ${JSON.stringify(text.slice(0, 2000))}`);
    }
  }
}
const timed = (test) => test.name.startsWith('diagnose: ') || (test.steps ?? [test]).some((step) => step.atMostMs);
for (const [some, parallel] of [[cases.filter((test) => !timed(test)), PARALLEL], [cases.filter(timed), PARALLEL_TIMED]]) {
  await Promise.all(Array.from({ length: parallel }, () => work(some)));
}
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
