// Does what the documents say: runs their commands, follows their links.
//
//   AIVO_BUILD=build/dev node tests/docs/run.mjs [FILE.md]...
//
// In README.md, CONTRIBUTING.md, SECURITY.md and docs/*.md:
//   ```sh       each block is run by bash -e, one after the other in a folder of the document's own
//   ```console  each line behind "$ " is run; the lines below it are what it must print, in the same order: numbers, times
//               and ids may differ, a line "..." stands for any, and what stands behind "# " in a command is no part of it
// Ports of 41xx and 63xx become free ones. An aivo-server with the development secret runs meanwhile and takes the place of 127.0.0.1:4003;
// $EXAMPLES is the folder packaging, and aivo and aivo-server are on the PATH. A comment before a block says what is special:
//   <!-- docs: exit 75 -->     its (last) command ends with this code
//   <!-- docs: for 2 s -->     it goes on until it is stopped
//   <!-- docs: by PATH -->     that test runs it: the file must be there, and must have the block's first program in it
//   <!-- docs: needs NAME -->  a program that a machine may lack: without it the block is a skip
//   <!-- docs: program NAME --> a C program: it is built against the build's libaivo, and further blocks run it as ./NAME
// What a block leaves running in the background (its output in a file) is there for the next ones and ends with the document.
// A block without a language that begins with a command is a mistake. The last line is "N passed, N failed, N skipped".
import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const build = resolve(process.env.AIVO_BUILD ?? join(root, 'build/dev'));
const DOCUMENTED = '127.0.0.1:4003';
const BLOCK_MS = 60000;
const AT_ONCE = 6;
const PROGRAMS = /^\s*(\$ |sudo |aivo(-\w+)? |cmake |tests\/|packaging\/|curl |redis|systemctl |journalctl |promtool |flatpak |apt |node |npm )/;

let passed = 0;
let failed = 0;
let skipped = 0;
function verdict(name, problem) {
  if (problem) failed += 1;
  else passed += 1;
  console.log(problem ? `not ok ${name}: FAILED: ${problem}` : `ok ${name}`);
}

// ---------------------------------------------------------------- reading

function blocksOf(text) {
  const blocks = [];
  const lines = text.split('\n');
  let note = '';
  for (let i = 0; i < lines.length; i += 1) {
    const comment = lines[i].match(/^<!-- docs: (.*) -->$/);
    if (comment) note = comment[1];
    const fence = lines[i].match(/^( *)```(\w*)/);
    if (fence) {
      const body = [];
      const line = i + 1;
      for (i += 1; i < lines.length && !/^ *```/.test(lines[i]); i += 1) body.push(lines[i].slice(fence[1].length));
      blocks.push({ line, language: fence[2], body, note });
      note = '';
    } else if (/^ {4}\S/.test(lines[i]) && lines[i - 1] === '') {
      blocks.push({ line: i + 1, language: '', body: [lines[i]], note: '' });
      while (i + 1 < lines.length && /^ {4}/.test(lines[i + 1])) i += 1;
    }
  }
  return blocks;
}

const anchor = (heading) => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
const anchorsOf = (file) =>
  readFileSync(file, 'utf8').split('\n').filter((line) => /^#+ /.test(line)).map((line) => anchor(line.replace(/^#+ /, '')));

function checkLinks(file, text) {
  const plain = text.replace(/```[\s\S]*?```/g, '').replace(/`[^`\n]*`/g, '');
  const broken = [];
  for (const [, target] of plain.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^(https?|mailto):/.test(target)) continue; // nothing here asks the outside
    const [path, fragment] = target.split('#');
    const there = path ? resolve(dirname(file), path) : file;
    if (!existsSync(there)) broken.push(target);
    else if (fragment && there.endsWith('.md') && !anchorsOf(there).includes(fragment)) broken.push(target);
  }
  verdict(`${relative(root, file)}: links`, broken.length ? `they lead nowhere: ${broken.join(', ')}` : '');
}

// ---------------------------------------------------------------- running

// Tests that a document names as its evidence.
function checkTests(file, text) {
  const known = new Set(['unit', 'wire', 'e2e', 'fuzz', 'gui', 'bench'].map((folder) => join(root, 'tests', folder))
    .filter(existsSync).flatMap((folder) => readdirSync(folder)).map((name) => name.replace(/\.(c|py|sh)$/, '')));
  const gone = [...text.matchAll(/`((?:test|fuzz)_[a-z0-9_]+|[\w-]+\.test\.mjs)(?:\.c)?`/g)].map(([, name]) => name)
    .filter((name) => !known.has(name));
  if (gone.length) verdict(`${relative(root, file)}: tests`, `there is no ${[...new Set(gone)].join(', ')}`);
}

const shape = (line) =>
  line.replace(/\x1b\[[0-9;]*m/g, '').trimEnd()
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME').replace(/[\w-]{16,}/g, 'ID').replace(/\d+(\.\d+)?/g, '0')
    .replace(/\b(Excellent|Good|Fair|Poor)\b/g, 'LEVEL').replace(/\b(unstable|stable|stability -)(  [a-z]+ -0)*/g, 'STABLE') // and what it costs
    .replace(/^ +(ok|warn) +Round trips .*/, 'round trips') // a busy machine has jitter, and says so
    .replace(/[▁▂▃▄▅▆▇█]+/gu, '▁').replace(/ +/g, ' ');

function compare(expected, output) {
  const actual = output.split('\n').map(shape);
  let at = 0;
  for (const line of expected) {
    if (line.trim() === '...' || line.trim() === '') continue;
    const found = actual.indexOf(shape(line), at);
    if (found < 0) return `it does not print '${line}', but:\n${output}`;
    at = found + 1;
  }
  return '';
}

function runShell(script, { cwd, env, groups, ms }) {
  return new Promise((done) => {
    const child = spawn('bash', ['-e', '-c', script], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    groups.push(child.pid);
    let output = '';
    let stopped = false;
    child.stdout.on('data', (data) => { output += data; });
    child.stderr.on('data', (data) => { output += data; });
    const timer = setTimeout(() => {
      stopped = true;
      try { process.kill(-child.pid, 'SIGINT'); } catch { /* it has just ended */ }
      setTimeout(() => { try { process.kill(-child.pid, 'SIGKILL'); } catch { /* ended */ } }, 5000).unref();
    }, ms);
    child.on('close', (code) => {
      clearTimeout(timer);
      done({ code, output, stopped });
    });
  });
}

function commandsOf(block) {
  if (block.language === 'sh') return [{ command: block.body.join('\n'), expected: [] }];
  const commands = [];
  for (const line of block.body) {
    const last = commands.at(-1);
    if (line.startsWith('$ ')) commands.push({ command: line.slice(2).replace(/ {2,}# .*$/, ''), expected: [] });
    else if (last?.command.endsWith('\\')) last.command += `\n${line}`;
    else last?.expected.push(line);
  }
  return commands;
}

async function withFreePorts(text, free) { // free: a port in the document -> one that nobody has
  for (const [documented] of text.matchAll(/\b(41|63)\d\d\b/g)) {
    if (free.has(documented)) continue;
    free.set(documented, await new Promise((done) => {
      const probe = createServer().listen(0, '127.0.0.1', () => {
        const { port } = probe.address();
        probe.close(() => done(port));
      });
    }));
  }
  return text.replace(/\b(41|63)\d\d\b/g, (documented) => free.get(documented));
}

async function runBlock(block, options, port) {
  const forSeconds = block.note.match(/^for (\d+) s$/);
  const exit = Number(block.note.match(/^exit (\d+)$/)?.[1] ?? 0);
  const commands = commandsOf(block);
  let before = 0;
  for (const [i, { command, expected }] of commands.entries()) {
    const script = await withFreePorts(`(exit ${before}) || true; ${command}`.replaceAll(DOCUMENTED, `127.0.0.1:${port}`), options.free);
    // "$?" in a further line is the code of the line before it.
    const full = command.trim() === 'echo $?' ? `echo ${before}` : script;
    const ms = forSeconds ? Number(forSeconds[1]) * 1000 : BLOCK_MS;
    const { code, output, stopped } = await runShell(full, { ...options, ms });
    before = code;
    if (stopped && !forSeconds) return `'${command}' did not end within ${BLOCK_MS / 1000} s:\n${output}`;
    const asked = commands.slice(i + 1).some((next) => next.command.trim() === 'echo $?');
    if (!stopped && !asked && code !== (i === commands.length - 1 ? exit : 0)) return `'${command}' ended with ${code}:\n${output}`;
    const problem = compare(expected, output.replaceAll(`127.0.0.1:${port}`, DOCUMENTED));
    if (problem) return `'${command}': ${problem}`;
  }
  return '';
}

function buildProgram(block, name, { cwd, env }) {
  writeFileSync(join(cwd, `${name}.c`), `${block.body.join('\n')}\n`);
  const library = join(build, 'sdk');
  const built = spawnSync('cc', ['-std=gnu11', '-Wall', '-Wextra', '-Wno-unused-parameter', '-Werror', `-I${join(root, 'sdk/include')}`,
    `${name}.c`, '-o', name, `-L${library}`, '-laivo', `-Wl,-rpath,${library}`], { cwd, env, encoding: 'utf8' });
  return built.status === 0 ? '' : built.stderr || 'the compiler cannot be run';
}

async function runDocument(file, port) {
  const text = readFileSync(file, 'utf8');
  const name = relative(root, file);
  checkLinks(file, text);
  checkTests(file, text);
  const cwd = mkdtempSync(join(tmpdir(), 'aivo-docs-'));
  const env = {
    ...process.env,
    PATH: `${join(build, 'sdk')}:${join(build, 'server-stub')}:${join(build, 'gui/app')}:${process.env.PATH}`,
    NO_COLOR: '1', EXAMPLES: join(root, 'packaging'),
  };
  const groups = []; // the processes of each block: what it left behind ends with the document
  const free = new Map();
  for (const block of blocksOf(text)) {
    const where = `${name}:${block.line}`;
    const by = block.note.match(/^by (\S+)$/);
    const needs = block.note.match(/^needs (\S+)$/);
    if (by) {
      const first = block.body.join(' ').replace(/^sudo /, '').match(/[\w./-]+/)[0];
      const there = existsSync(join(root, by[1]));
      verdict(`${where} (by ${by[1]})`, !there ? `there is no ${by[1]}` :
        readFileSync(join(root, by[1]), 'utf8').includes(first.split('/').at(-1)) ? '' : `${by[1]} does not run ${first}`);
    } else if (block.note.startsWith('program ')) {
      verdict(where, buildProgram(block, block.note.slice(8), { cwd, env }));
    } else if (needs && spawnSync('sh', ['-c', `command -v ${needs[1]}`]).status !== 0) {
      skipped += 1;
      console.log(`skip ${where}: needs ${needs[1]}, which is not on this machine`);
    } else if (block.language === 'sh' || block.language === 'console') {
      verdict(where, await runBlock(block, { cwd, env, groups, free }, port));
    } else if (block.language === '' && PROGRAMS.test(block.body[0] ?? '')) {
      verdict(where, `'${block.body[0].trim()}' is a command in a block that is not run: begin it with \`\`\`sh or \`\`\`console`);
    }
  }
  for (const group of groups) try { process.kill(-group, 'SIGTERM'); } catch { /* nothing was left */ }
  rmSync(cwd, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

// ---------------------------------------------------------------- order

const server = spawn(join(build, 'server-stub/aivo-server'), ['--port', '0', '--log-level', 'error', '--env', '/dev/null'],
  { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env.PATH } });
const port = await new Promise((done, fail) => {
  server.stdout.on('data', (data) => done(String(data).match(/listening on http:\/\/127\.0\.0\.1:(\d+)/)?.[1]));
  server.on('exit', () => fail(new Error('the server did not start')));
});
const all = [...['README.md', 'CONTRIBUTING.md', 'SECURITY.md'].filter((file) => existsSync(join(root, file))),
  ...readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md')).map((file) => `docs/${file}`), 'tests/README.md'];
const waiting = process.argv.length > 2 ? process.argv.slice(2) : [...all];
await Promise.all(Array.from({ length: AT_ONCE }, async () => { // most of the time they wait for a connection
  while (waiting.length) await runDocument(resolve(root, waiting.shift()), port);
}));
const rest = spawnSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' }).stdout.split('\n')
  .filter((name) => name && !all.includes(name) && existsSync(join(root, name)));
for (const name of rest) { // internals, decisions, the folders' own: links, and what they name
  const file = join(root, name);
  const text = readFileSync(file, 'utf8');
  checkLinks(file, text);
  checkTests(file, text);
}
server.kill('SIGTERM');
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed ? 1 : 0;
