// From a source to a charge. Every export is a scenario.
import assert from 'node:assert/strict';
import Stripe from 'stripe';
import { all, apiVersion, ids, open, order, pay, random, refused, returnURL } from '../world.js';

export async function walk(w) {
  const src = await w.source({ metadata: { order: 'A-10045' }, owner: { name: 'Li Wei', email: 'li@example.com' } });
  assert.match(src.id, /^src_[0-9A-Za-z]{24}$/);
  assert.match(src.client_secret, /^src_client_secret_[0-9A-Za-z]{24}$/);
  const { id, client_secret, created, lastResponse, ...rest } = src;
  assert.equal(typeof lastResponse.requestId, 'string');
  assert.deepEqual({ ...rest }, {
    object: 'source', alipay: { data_string: null, native_url: null, statement_descriptor: null }, allow_redisplay: 'unspecified',
    amount: 1099, currency: 'usd', flow: 'redirect', livemode: false, metadata: { order: 'A-10045' },
    owner: { address: null, email: 'li@example.com', name: 'Li Wei', phone: null, verified_address: null, verified_email: null, verified_name: null, verified_phone: null },
    redirect: { failure_reason: null, return_url: returnURL, status: 'pending', url: src.redirect.url },
    statement_descriptor: null, status: 'pending', type: 'alipay', usage: 'single_use',
  });
  assert.ok(created >= w.dawn && created < w.dawn + 300, `created at ${created}, the world began at ${w.dawn}`);

  const page = await open(src);
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type'), /^text\/html/);
  for (const text of ['10.99', 'Alipay', 'Authorize Test Payment', 'Fail Test Payment', id]) {
    assert.ok(page.body.includes(text), `the page does not say ${text}`);
  }

  // The merchant charges inside the handler, before acknowledging.
  const charging = w.hooks.handle('source.chargeable', (ev) => w.charge(ev.data.object, { description: 'Order A-10045', metadata: { order: 'A-10045' } }));
  const location = await pay(src, 'authorize');
  assert.ok(location.startsWith(`${returnURL}&`), location);
  const ch = await charging;
  let ev = await w.hooks.wait('source.chargeable', id);
  assert.equal(ev.data.object.status, 'chargeable');
  assert.equal(ev.data.object.redirect.status, 'succeeded');
  assert.equal(ev.data.object.client_secret, client_secret);
  assert.deepEqual(ev.data.object.metadata, { order: 'A-10045' });
  assert.deepEqual(ev.request, { id: null, idempotency_key: null });
  assert.equal(ev.api_version, apiVersion);

  assert.match(ch.id, /^py_[0-9A-Za-z]{24}$/);
  const want = {
    object: 'charge', status: 'succeeded', paid: true, captured: true, amount: 1099, amount_captured: 1099, amount_refunded: 0, refunded: false, disputed: false,
    currency: 'usd', description: 'Order A-10045', failure_code: null, failure_message: null, livemode: false, payment_intent: null, payment_method: id, customer: null,
  };
  assert.deepEqual(Object.fromEntries(Object.keys(want).map((key) => [key, ch[key]])), want);
  assert.equal(ch.source.id, id);
  assert.equal(ch.source.status, 'consumed');
  assert.equal(ch.payment_method_details.type, 'alipay');
  assert.ok(ch.payment_method_details.alipay.transaction_id);
  assert.equal(ch.billing_details.name, 'Li Wei');
  assert.equal(ch.outcome.type, 'authorized');
  assert.ok(!('refunds' in ch), 'refunds are only shown when asked for');

  ev = await w.hooks.wait('charge.succeeded', ch.id);
  assert.equal(ev.data.object.amount, 1099);
  assert.equal(ev.data.object.metadata.order, 'A-10045');
  assert.equal(ev.data.object.source.metadata.order, 'A-10045');
  assert.equal(ev.request.id, ch.lastResponse.requestId);
  assert.ok(ev.request.idempotency_key);
  assert.equal((await w.server.sources.retrieve(id)).status, 'consumed');

  // Whoever comes back to the page is sent on.
  const back = await open(src);
  assert.equal(back.status, 302);
  assert.ok(back.location.startsWith(returnURL), back.location);

  const { balance_transaction: txn } = await w.server.charges.retrieve(ch.id, { expand: ['balance_transaction'] });
  assert.ok(txn.fee > 0);
  assert.deepEqual([txn.amount, txn.net, txn.type, txn.reporting_category, txn.source], [1099, 1099 - txn.fee, 'payment', 'charge', ch.id]);
  assert.equal(await w.balance('usd'), txn.net);
}

export async function publishableKey(w) {
  const src = await w.client.sources.create(order({ metadata: { order: 'B-1' } }));
  assert.ok(!('metadata' in src), 'a publishable key is shown metadata');
  assert.ok(src.client_secret);
  assert.deepEqual((await w.server.sources.retrieve(src.id)).metadata, { order: 'B-1' });
  const seen = await w.client.sources.retrieve(src.id, { client_secret: src.client_secret });
  assert.equal(seen.id, src.id);
  assert.ok(!('metadata' in seen), 'a publishable key is shown metadata');

  await refused(w.client.sources.retrieve(src.id), { status: 400, code: 'parameter_missing', param: 'client_secret' });
  const wrong = { client_secret: `src_client_secret_${random(24)}` };
  const absent = { status: 404, code: 'resource_missing', param: 'source', says: /^No such source: / };
  const unknown = `src_${random(24)}`;
  const e1 = await refused(w.client.sources.retrieve(src.id, wrong), absent);
  const e2 = await refused(w.client.sources.retrieve(unknown, wrong), absent);
  assert.equal(e1.message.replace(src.id, ''), e2.message.replace(unknown, ''), 'a wrong secret and an unknown id can be told apart');

  await pay(src, 'authorize');
  const ev = await w.hooks.wait('source.chargeable', src.id);
  assert.deepEqual(ev.data.object.metadata, { order: 'B-1' });
  assert.equal((await w.charge(src)).status, 'succeeded');
}

export async function returnUrl(w) {
  for (const [given, want] of Object.entries({
    'https://shop.example/return': 'https://shop.example/return?',
    'https://shop.example/return?cart=7%2F7&b=a+b': 'https://shop.example/return?cart=7%2F7&b=a+b&',
    'http://localhost:3000/x?source=evil&cart=1&source=e2': 'http://localhost:3000/x?cart=1&',
    'https://shop.example/return?livemode=true#part': 'https://shop.example/return?',
  })) {
    const src = await w.source({ redirect: { return_url: given } });
    assert.equal(src.redirect.return_url, given);
    const location = await pay(src, 'authorize');
    assert.ok(location.startsWith(want), `${given} leads to ${location}`);
    assert.equal(new URL(location).hash, new URL(given).hash);
  }
}

export async function appScheme(w) {
  const src = await w.source({ redirect: { return_url: 'myapp://pay' } });
  const location = new URL(await pay(src, 'authorize'));
  assert.deepEqual([location.protocol, location.host], ['myapp:', 'pay']);
  await w.hooks.wait('source.chargeable', src.id);
}

const notChargeable = { status: 400, code: 'invalid_source_usage', param: 'source', says: /not in a chargeable state/ };
const alreadyUsed = { status: 400, code: 'invalid_source_usage', param: 'source', says: /already been used/ };

export const decline = (w) => refuse(w, 'decline', 'declined');

export const cancel = (w) => refuse(w, 'cancel', 'user_abort');

async function refuse(w, decision, reason) {
  const src = await w.source();
  await pay(src, decision);
  const ev = await w.hooks.wait('source.failed', src.id);
  for (const s of [ev.data.object, await w.server.sources.retrieve(src.id)]) {
    assert.deepEqual([s.status, s.redirect.status, s.redirect.failure_reason], ['failed', 'failed', reason]);
  }
  await refused(w.charge(src), notChargeable);
  await w.untouched();
}

export async function customerStays(w) {
  const src = await w.source();
  const { url } = await open(src);
  const res = await fetch(url, { method: 'POST', body: new URLSearchParams({ decision: 'authorize_no_return' }), redirect: 'manual' });
  await res.text();
  assert.deepEqual([res.status, res.headers.get('location')], [200, null]);
  await w.hooks.wait('source.chargeable', src.id);
  assert.equal((await w.charge(src)).status, 'succeeded');
}

export async function lateConfirmation(w) {
  const src = await w.source({ metadata: { ducat_scenario: 'chargeable_delay=600' } });
  await pay(src, 'authorize');
  assert.equal((await w.server.sources.retrieve(src.id)).status, 'pending');
  await refused(w.charge(src), notChargeable);
  await w.advance(600);
  await w.hooks.wait('source.chargeable', src.id);
  assert.equal((await w.charge(src)).status, 'succeeded');
}

export async function chargePending(w) {
  const src = await w.source();
  await refused(w.charge(src), notChargeable);
  await pay(src, 'authorize');
  await w.hooks.wait('source.chargeable', src.id);
  assert.equal((await w.charge(src)).status, 'succeeded');
}

export async function chargeOnce(w) {
  const ch = await w.charged();
  await refused(w.charge(ch.source), alreadyUsed);
  assert.deepEqual(ids(await all(w.server.charges.list())), [ch.id]);
}

export async function chargeRace(w) {
  let src = await w.authorized();
  let results = await Promise.allSettled(Array.from({ length: 8 }, () => w.charge(src)));
  assert.equal(results.filter((r) => r.status === 'fulfilled').length, 1);
  for (const r of results) {
    if (r.status === 'rejected') await refused(Promise.reject(r.reason), alreadyUsed);
  }

  src = await w.authorized();
  const idempotencyKey = random(20);
  results = await Promise.allSettled(Array.from({ length: 8 }, () => w.charge(src, {}, { idempotencyKey })));
  const done = results.filter((r) => r.status === 'fulfilled').map((r) => r.value);
  assert.equal(new Set(ids(done)).size, 1, 'one key made more than one charge');
  const first = done.filter(({ lastResponse: { headers } }) => headers['original-request'] === headers['request-id']);
  assert.equal(first.length, 1, 'answers that claim to be the first execution');
  for (const r of results) {
    if (r.status === 'rejected') {
      await refused(Promise.reject(r.reason), { status: 409, code: 'idempotency_key_in_use', is: Stripe.errors.StripeAPIError });
    }
  }
  assert.equal((await all(w.server.charges.list())).length, 2);
}

export async function chargeMismatch(w) {
  const src = await w.authorized();
  await refused(w.charge(src, { amount: 1200 }), { status: 400, param: 'amount', says: /1200.*does not match.*1099/ });
  await refused(w.charge(src, { amount: 1000 }), { status: 400, param: 'amount', says: /1000.*does not match.*1099/ });
  await refused(w.charge(src, { currency: 'eur' }), { status: 400, param: 'currency', says: /The currency specified \(eur\) does not match the currency on the source \(usd\)/ });
  await refused(w.charge(src, { capture: false }), { status: 400, param: 'capture' });
  assert.equal((await w.server.sources.retrieve(src.id)).status, 'chargeable');
  await w.untouched();
  assert.equal((await w.charge(src)).status, 'succeeded');
}

export async function sandboxOutcomes(w) {
  const scenario = (name) => ({ metadata: { ducat_scenario: name } });
  await refused(w.server.sources.create(order(scenario('payment_method_not_available'))), { status: 400, code: 'payment_method_not_available', param: 'type' });
  await refused(w.server.sources.create(order(scenario('creation_processing_error'))), { status: 500, type: 'api_error', code: 'processing_error' });

  for (const code of ['insufficient_funds', 'invalid_amount']) {
    const src = await w.authorized(scenario(code));
    const err = await refused(w.charge(src), { status: 402, type: 'card_error', code, param: code === 'invalid_amount' ? 'amount' : undefined, says: /Alipay/ }, code);
    assert.equal(err.decline_code, code);
    assert.match(err.charge, /^py_/);
    const { data: { object: ch } } = await w.hooks.wait('charge.failed', err.charge);
    assert.deepEqual([ch.status, ch.paid, ch.failure_code, ch.balance_transaction], ['failed', false, code, null]);
    assert.ok(ch.failure_message);
    assert.equal((await w.server.charges.retrieve(err.charge)).status, 'failed');
    assert.equal((await w.server.sources.retrieve(src.id)).status, 'consumed');
    await refused(w.server.refunds.create({ charge: err.charge }), { status: 400, code: 'charge_not_refundable', param: 'charge' });
  }
  await w.untouched();
  // The customer can try again at once with a new source.
  await w.charged();
}
