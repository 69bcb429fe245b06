// Nothing is lost when the server is stopped and started.
import assert from 'node:assert/strict';
import { serve } from '../server.js';
import { World, dial, order, pay } from '../world.js';

export async function restart(t, bin, db) {
  let server = await serve(bin, db);
  try {
    const w = await World.create(t, server.url);
    const pending = await w.source();
    const chargeable = await w.authorized();
    const again = () => w.server.sources.create(order(), { idempotencyKey: 'before' });
    const first = await again();
    const ch = await w.charged();
    const re = await w.server.refunds.create({ charge: ch.id, amount: 100 });
    const balance = await w.balance('usd');
    await server.stop();

    server = await serve(bin, db);
    w.base = server.url;
    w.server = dial(w.base, w.sk);
    assert.equal(await w.balance('usd'), balance);
    const second = await again();
    assert.equal(second.id, first.id);
    assert.equal(second.lastResponse.headers['idempotent-replayed'], 'true');
    assert.equal((await w.charge(chargeable)).status, 'succeeded');
    await pay(await w.server.sources.retrieve(pending.id), 'authorize');
    await w.advance(2);
    await w.hooks.wait('source.chargeable', pending.id);
    await w.advance(600);
    assert.equal((await w.server.refunds.retrieve(re.id)).status, 'succeeded');
    await w.advance(6 * 3600);
    await w.hooks.wait('source.canceled', pending.id);
  } finally {
    await server.stop();
  }
}
