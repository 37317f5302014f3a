#!/usr/bin/env node
// Compiles the addon with nothing but a C compiler: npx p2pnet-build [--lib FILE] [--out FILE] [--headers FOLDER]
//
//   --lib      libp2pnet.a; else what P2PNET_LIBRARY names, else that of the source tree around this folder, else the installed one
//   --headers  folder with node_api.h; else those that came with node, else those of the npm package node-api-headers
//   --out      else build/p2pnet.node, which the package takes before the one it came with; it is then loaded, to see that it works
//   --cflags   further flags for the compiler, which is CC, else cc
//
// The library is linked in: who installs the package needs neither a compiler nor an installed p2pnet. What is missing is told
// all at once.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const own = path.join(root, 'build', 'p2pnet.node');
const { values } = parseArgs({
  options: {
    lib: { type: 'string' },
    out: { type: 'string', default: own },
    headers: { type: 'string' },
    cflags: { type: 'string', default: '' },
  },
});

const missing = [];

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

function compiler() {
  const cc = process.env.CC || 'cc';
  const [command, ...flags] = cc.split(' ').filter(Boolean); // CC="ccache gcc"
  if (spawnSync(command, [...flags, '--version']).error) {
    missing.push(`a C compiler: there is no ${cc}. Debian: apt install gcc libc6-dev; Alpine: apk add gcc musl-dev; or name yours by CC`);
  }
  return [command, flags];
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
  const found = firstWith('node_api.h', folders);
  if (!found) missing.push(`node_api.h, not in ${folders.join(', ')}: npm install node-api-headers, or --headers FOLDER`);
  return found;
}

function library() {
  const given = values.lib ?? process.env.P2PNET_LIBRARY;
  if (given) {
    const folder = existsSync(given) && statSync(given).isDirectory();
    const file = folder ? path.join(given, 'libp2pnet.a') : given;
    if (!existsSync(file)) missing.push(`${file}, which ${values.lib ? '--lib' : 'P2PNET_LIBRARY'} names`);
    return file;
  }
  const folders = [path.join(root, '../../target/release'), pkgConfig('--variable=libdir')];
  const folder = firstWith('libp2pnet.a', folders);
  if (!folder) {
    missing.push(
      'libp2pnet.a: install p2pnet (make install, or the Debian package libp2pnet-dev) where pkg-config finds it ' +
        '(PKG_CONFIG_PATH), or name the file by P2PNET_LIBRARY',
    );
  }
  return folder && path.join(folder, 'libp2pnet.a');
}

function header() {
  const folders = [path.join(root, 'include'), path.join(root, '../../include'), pkgConfig('--variable=includedir')];
  const found = firstWith('p2pnet.h', folders);
  if (!found) missing.push('p2pnet.h: install p2pnet where pkg-config finds it (PKG_CONFIG_PATH)');
  return found;
}

const [command, flags] = compiler();
const headers = nodeHeaders();
const lib = library();
const include = header();
if (missing.length > 0) {
  fail(`the addon cannot be compiled here, for want of\n${missing.map((what) => `  - ${what}`).join('\n')}`);
}

const sources = readdirSync(path.join(root, 'src'))
  .filter((name) => name.endsWith('.c'))
  .map((name) => path.join(root, 'src', name));
const apple = process.platform === 'darwin';
const args = [
  ...flags,
  ...['-std=gnu11', '-O2', '-fPIC', '-shared', '-fvisibility=hidden', '-Wall', '-Wextra'],
  ...values.cflags.split(' ').filter(Boolean),
  ...[`-I${include}`, `-I${headers}`, ...sources, lib, '-o', values.out],
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
const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
if (error) fail(`${command}: ${error.message}`);
if (status !== 0) fail(`${command} ended with status ${status}: is ${lib} for ${process.arch}, and as new as this package?`);
if (values.out === own) {
  const load = spawnSync(process.execPath, ['-e', 'process.dlopen({ exports: {} }, process.argv[1])', own], { encoding: 'utf8' });
  if (load.status !== 0) fail(`it does not load: ${load.stderr.match(/^Error: (.*)$/m)?.[1] ?? load.stderr}`);
}
console.log(`built ${path.relative(process.cwd(), values.out)}`);
