// Compiles the addon with nothing but a C compiler: node scripts/build.mjs [--lib FILE] [--out FILE] [--headers FOLDER]
//
//   --lib      libp2pnet.a; else that of the source tree around this folder, else the installed one (pkg-config)
//   --headers  folder with node_api.h; else those that came with node, else those of the npm package node-api-headers
//   --out      else build/p2pnet.node, which the package takes before the one it came with
//
// The library is linked in: who installs the package needs neither a compiler nor an installed p2pnet.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    lib: { type: 'string' },
    out: { type: 'string', default: path.join(root, 'build', 'p2pnet.node') },
    headers: { type: 'string' },
    cflags: { type: 'string', default: '' },
  },
});

function fail(message) {
  console.error(`build: ${message}`);
  process.exit(1);
}

function firstWith(file, folders) {
  return folders.find((folder) => folder && existsSync(path.join(folder, file)));
}

function pkgConfig(...args) {
  const { status, stdout } = spawnSync('pkg-config', [...args, 'p2pnet'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : '';
}

function nodeHeaders() {
  const folders = [values.headers];
  if (!values.headers) {
    folders.push(path.join(path.dirname(process.execPath), '..', 'include', 'node'));
    try {
      folders.push(createRequire(import.meta.url)('node-api-headers').include_dir);
    } catch {
      // not installed
    }
  }
  return (
    firstWith('node_api.h', folders) ??
    fail(`no node_api.h in ${folders.join(', ')}: npm install --no-save node-api-headers, or --headers FOLDER`)
  );
}

function library() {
  if (values.lib) return existsSync(values.lib) ? values.lib : fail(`${values.lib} is not there`);
  const folders = [path.join(root, '../../target/release'), pkgConfig('--variable=libdir')];
  const folder = firstWith('libp2pnet.a', folders);
  return folder ? path.join(folder, 'libp2pnet.a') : fail('no libp2pnet.a: make lib, or --lib FILE');
}

const headers = nodeHeaders();
const include = firstWith('p2pnet.h', [
  path.join(root, 'include'),
  path.join(root, '../../include'),
  pkgConfig('--variable=includedir'),
]);
if (!include) fail('no p2pnet.h');

const sources = readdirSync(path.join(root, 'src'))
  .filter((name) => name.endsWith('.c'))
  .map((name) => path.join(root, 'src', name));
const apple = process.platform === 'darwin';
const args = [
  ...['-std=gnu11', '-O2', '-fPIC', '-shared', '-fvisibility=hidden', '-Wall', '-Wextra'],
  ...values.cflags.split(' ').filter(Boolean),
  ...[`-I${include}`, `-I${headers}`, ...sources, library(), '-o', values.out],
  ...(apple
    ? ['-undefined', 'dynamic_lookup', '-Wl,-dead_strip', '-framework', 'CoreFoundation', '-framework', 'Security']
    : [
        // Nothing of the library is seen outside: another addon may hold another version of it.
        '-Wl,--exclude-libs,ALL',
        // Node unloads an addon when the last worker that used it has ended; threads of the library may still run then.
        ...['-Wl,-z,nodelete', '-Wl,--gc-sections', '-Wl,-z,relro,-z,now', '-s'],
        ...['-lgcc_s', '-lutil', '-lrt', '-lpthread', '-lm', '-ldl', '-lc'],
      ]),
];
mkdirSync(path.dirname(values.out), { recursive: true });
const compiler = process.env.CC || 'cc';
const { status, error } = spawnSync(compiler, args, { stdio: 'inherit' });
if (error) fail(`${compiler}: ${error.message}`);
if (status !== 0) fail(`${compiler} ended with status ${status}`);
console.log(`built ${path.relative(process.cwd(), values.out)}`);
