// Drives a running ducat with the official Node library, as a merchant's program
// would. The list of scenarios, shared with the other languages, is in
// ../SCENARIOS.md.
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import * as api from './scenarios/api.js';
import * as intents from './scenarios/intents.js';
import * as money from './scenarios/money.js';
import * as payment from './scenarios/payment.js';
import * as platform from './scenarios/platform.js';
import { restart } from './scenarios/restart.js';
import { serve } from './server.js';
import { World } from './world.js';

const scenarios = Object.entries({ ...payment, ...money, ...api, ...platform, ...intents })
  .map(([name, run]) => [name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`), run]);

// passed tells whoever compares with the list.
const passed = async (scenario) => process.env.DUCAT_RAN && appendFile(process.env.DUCAT_RAN, `${scenario}\n`);

const dir = await mkdtemp(join(tmpdir(), 'ducat-conformance-'));
test.after(() => rm(dir, { recursive: true }));

const databases = { sqlite: `sqlite:${join(dir, 'ducat.db')}` };
if (process.env.DUCAT_TEST_PG) databases.postgres = process.env.DUCAT_TEST_PG;

for (const [name, db] of Object.entries(databases)) {
  test(`${name} restart`, async (t) => {
    await restart(t, process.env.DUCAT_BIN, db);
    await passed('restart');
  });
  test(name, { concurrency: 16 }, async (t) => {
    const server = await serve(process.env.DUCAT_BIN, db);
    let failed = false;
    await Promise.all(scenarios.map(([scenario, run]) => t.test(scenario, async (t) => {
      try {
        await run(await World.create(t, server.url));
        await passed(scenario);
      } catch (err) {
        failed = true;
        throw err;
      }
    })));
    if (failed) t.diagnostic(`what the server said beside its request log:\n${server.log()}`);
    await server.stop();
  });
}
