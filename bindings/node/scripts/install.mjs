// What `npm install` runs. Where the package brings an addon that works it does nothing; elsewhere it compiles one, if what that
// needs is there, and else says what is missing. (With --ignore-scripts nothing of this happens: npm rebuild p2pnet does it later.)

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));

/** Whether the package can be used, by a process of its own: what does not work may end it. */
function works(stdio) {
  return spawnSync(process.execPath, ['-e', 'require(process.argv[1])', path.join(here, '../lib/native.cjs')], { stdio }).status === 0;
}

if (!works('ignore')) {
  console.error(`p2pnet: no addon for ${process.platform}-${process.arch} that works here is in the package; compiling one`);
  const { status } = spawnSync(process.execPath, [path.join(here, 'build.mjs')], { stdio: 'inherit' });
  process.exitCode = status === 0 && works('inherit') ? 0 : 1;
}
