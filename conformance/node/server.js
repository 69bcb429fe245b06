// Starts and stops the program under test.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

// patience bounds every wait. Nothing is expected to take this long.
export const patience = 60_000;

// within rejects when a promise takes too long.
export async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${patience / 1000} seconds`)), patience);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// serve runs ducat on a database and resolves when it is ready.
export async function serve(bin, db) {
  const child = spawn(bin, ['serve', '--listen', '127.0.0.1:0', '--db', db], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  let log = '';
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (!line.includes('level=INFO msg=request ')) log = `${log}${line}\n`.slice(-16384);
  });
  const ready = new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('ready url=')) resolve(line.slice('ready url='.length).trim());
    });
    exited.then(([code, signal]) => reject(new Error(`ducat ended before it was ready (${code ?? signal})\n${log}`)), reject);
  });
  let url;
  try {
    url = await within(ready, 'ducat serve saying "ready url=…"');
  } catch (err) {
    child.kill('SIGKILL');
    throw err;
  }
  let stopped = false;
  return {
    url,
    log: () => log,
    // stop ends the server as an operator would, and has the books checked.
    async stop() {
      if (stopped) return;
      stopped = true;
      child.kill('SIGTERM');
      const [code, signal] = await within(exited, 'stopping ducat');
      if (code !== 0) throw new Error(`ducat serve ended with ${code ?? signal}\n${log}`);
      await promisify(execFile)(bin, ['verify', '--db', db]);
    },
  };
}
