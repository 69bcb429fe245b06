// How the API behaves around payments. Every export is a scenario.
import assert from 'node:assert/strict';
import Stripe from 'stripe';
import { Receiver, World, all, apiVersion, dial, ids, order, pay, random, refused } from '../world.js';

export async function parameterErrors(w) {
  for (const [what, change, want] of [
    ['no type', { type: undefined }, { code: 'parameter_missing', param: 'type', says: /^Missing required param: type\.$/ }],
    ['unknown type', { type: 'barter' }, { param: 'type' }],
    ['no amount', { amount: undefined }, { code: 'parameter_missing', param: 'amount', says: /^Missing required param: amount\.$/ }],
    ['amount 0', { amount: 0 }, { code: 'parameter_invalid_integer', param: 'amount' }],
    ['amount −1', { amount: -1 }, { code: 'parameter_invalid_integer', param: 'amount' }],
    ['amount 10.99', { amount: 10.99 }, { code: 'parameter_invalid_integer', param: 'amount', says: /^Invalid integer: 10\.99$/ }],
    ['amount 49', { amount: 49 }, { code: 'amount_too_small', param: 'amount' }],
    ['amount 100000000', { amount: 100000000 }, { code: 'amount_too_large', param: 'amount' }],
    ['no currency', { currency: undefined }, { code: 'parameter_missing', param: 'currency' }],
    ['no redirect', { redirect: undefined }, { code: 'parameter_missing', param: 'redirect', says: /^Missing required param: redirect\.$/ }],
    ['no scheme', { redirect: { return_url: 'shop.example/return' } }, { code: 'url_invalid', param: 'redirect[return_url]' }],
    ['a script', { redirect: { return_url: 'javascript:alert(1)' } }, { code: 'url_invalid', param: 'redirect[return_url]' }],
    ['flow none', { flow: 'none' }, { param: 'flow' }],
    ['usage twice', { usage: 'twice' }, { param: 'usage', says: /^Invalid usage: must be one of reusable or single_use/ }],
    ['usage reusable', { usage: 'reusable' }, { param: 'usage' }],
    ['unknown param', { colour: 'red' }, { code: 'parameter_unknown', param: 'colour', says: /^Received unknown parameter: colour$/ }],
  ]) {
    await refused(w.server.sources.create(order(change)), { status: 400, ...want }, what);
  }

  const src = await w.authorized();
  for (const [what, change, want] of [
    ['charge without amount', { amount: undefined }, { code: 'parameter_missing', param: 'amount' }],
    ['charge without currency', { currency: undefined }, { code: 'parameter_missing', param: 'currency' }],
    ['charge without source', { source: undefined }, { code: 'parameter_missing', says: /^Must provide source or customer\.$/ }],
    ['charge with an unknown source', { source: 'src_000000000000000000000000' }, { code: 'resource_missing', param: 'source', says: /No such (source|token)/ }],
    ['charge with an unknown parameter', { colour: 'red' }, { code: 'parameter_unknown', param: 'colour' }],
    ['charge with amount 0', { amount: 0 }, { code: 'parameter_invalid_integer', param: 'amount' }],
  ]) {
    await refused(w.charge(src, change), { status: 400, ...want }, what);
  }

  const unknown = random(24);
  const missing = { code: 'resource_missing' };
  await refused(w.server.sources.retrieve(`src_${unknown}`), { ...missing, status: 404, param: 'source', says: new RegExp(`^No such source: 'src_${unknown}'$`) });
  await refused(w.server.charges.retrieve(`py_${unknown}`), { ...missing, status: 404, param: 'id', says: new RegExp(`^No such charge: 'py_${unknown}'$`) });
  await refused(w.server.refunds.create({ charge: `py_${unknown}` }), { ...missing, status: 400, param: 'charge', says: new RegExp(`^No such charge: 'py_${unknown}'$`) });
  await refused(w.server.refunds.create({}), { status: 400, code: 'parameter_missing' });
  assert.equal((await w.server.sources.retrieve(src.id)).status, 'chargeable');
}

export async function keyErrors(w) {
  const unauthorized = { status: 401, is: Stripe.errors.StripeAuthenticationError };
  await refused(dial(w.base, 'sk_test_x').charges.retrieve('py_1'), { ...unauthorized, says: /^Invalid API Key provided: sk_test_/ });
  await refused(dial(w.base, `sk_live_${random(24)}`).charges.retrieve('py_1'), { ...unauthorized, says: /^Invalid API Key provided: sk_live_/ });
  const src = await w.authorized();
  await refused(w.client.charges.create({ amount: 1099, currency: 'usd', source: src.id }), { ...unauthorized, code: 'secret_key_required', says: /publishable API key/ });
  await refused(w.server.rawRequest('GET', '/v1/sources'), { status: 404, says: /^Unrecognized request URL \(GET: \/v1\/sources\)/ });
  const res = await fetch(`${w.base}/v1/charges`);
  await res.text();
  assert.equal(res.status, 401);
  assert.match(res.headers.get('www-authenticate'), /^Basic/);
}

export async function idempotency(w) {
  let idempotencyKey = `order-${random(12)}`;
  const keyed = (change, on = w) => on.server.sources.create(order(change), { idempotencyKey });
  const first = await keyed();
  const second = await keyed();
  assert.deepEqual({ ...second }, { ...first });
  const [h1, h2] = [first.lastResponse.headers, second.lastResponse.headers];
  assert.deepEqual([h1['idempotent-replayed'], h2['idempotent-replayed']], [undefined, 'true']);
  assert.equal(h1['original-request'], h1['request-id']);
  assert.equal(h2['original-request'], h1['request-id']);
  assert.notEqual(h2['request-id'], h1['request-id']);
  assert.equal(h2['idempotency-key'], idempotencyKey);

  await refused(keyed({ amount: 1100 }), { status: 400, type: 'idempotency_error', says: new RegExp(`same parameters.*'${idempotencyKey}'`) });
  await refused(w.server.refunds.create({ charge: 'py_000000000000000000000000' }, { idempotencyKey }), { status: 400, type: 'idempotency_error', says: /same endpoint.*'\/v1\/sources' vs '\/v1\/refunds'/ });

  // A refusal of parameters leaves the key free.
  idempotencyKey = `order-${random(12)}`;
  await refused(keyed({ amount: undefined }), { status: 400, code: 'parameter_missing', param: 'amount' });
  await keyed();

  // A decline is the answer for good.
  const src = await w.authorized({ metadata: { ducat_scenario: 'insufficient_funds' } });
  const declined = () => refused(w.charge(src, {}, { idempotencyKey: `charge-${idempotencyKey}` }), { status: 402, type: 'card_error', code: 'insufficient_funds' });
  assert.equal((await declined()).charge, (await declined()).charge);

  // The same key in another world is another key.
  const theirs = await keyed({}, await World.create(w.t, w.base));
  assert.equal(theirs.lastResponse.headers['idempotent-replayed'], undefined);
}

export async function update(w) {
  let src = await w.source({ metadata: { a: '1', b: '2' }, owner: { name: 'Li Wei', email: 'li@example.com' } });
  src = await w.server.sources.update(src.id, { metadata: { b: '', c: '3' }, owner: { phone: '+8613800138000' } });
  assert.deepEqual(src.metadata, { a: '1', c: '3' });
  assert.deepEqual([src.owner.name, src.owner.phone], ['Li Wei', '+8613800138000']);
  await refused(w.server.sources.update(src.id, { amount: 1 }), { status: 400, param: 'amount' });

  const { id } = await w.charged();
  const ch = await w.server.charges.update(id, { description: 'tea', metadata: { k: 'v' } });
  assert.deepEqual([ch.description, ch.metadata], ['tea', { k: 'v' }]);
  await w.hooks.wait('charge.updated', id);
  const re = await w.server.refunds.create({ charge: id, amount: 100 });
  assert.deepEqual((await w.server.refunds.update(re.id, { metadata: { k: 'v' } })).metadata, { k: 'v' });
}

export async function pages(w) {
  const want = []; // newest first
  for (let i = 0; i < 5; i++) want.unshift((await w.charged()).id);
  const list = (params) => w.server.charges.list({ limit: 2, ...params });

  const first = await list();
  assert.deepEqual([first.object, first.has_more, first.url, ids(first.data)], ['list', true, '/v1/charges', want.slice(0, 2)]);
  assert.deepEqual(ids(await all(list())), want);
  const last = await list({ starting_after: want[3] });
  assert.deepEqual([last.has_more, ids(last.data)], [false, want.slice(4)]);
  const back = await list({ ending_before: want[3] });
  assert.deepEqual([back.has_more, ids(back.data)], [true, [want[1], want[2]]]);
  assert.deepEqual(ids(await all(list({ ending_before: want[4] }))), [want[3], want[2], want[1], want[0]]);

  await refused(list({ ending_before: want[4], starting_after: want[0] }), { status: 400, says: /^Received both starting_after and ending_before parameters\. Please pass in only one\.$/ });
  await refused(list({ starting_after: 'py_000000000000000000000000' }), { status: 400, code: 'resource_missing', param: 'starting_after', says: /^No such charge: / });
  assert.deepEqual(await all(list({ created: { gt: w.dawn + 86400 } })), []);
  assert.deepEqual(ids(await all(list({ created: { gte: w.dawn } }))), want);
}

export async function events(w) {
  const ch = await w.charged();
  const delivered = await w.hooks.wait('charge.succeeded', ch.id);
  for (const [params, want] of [
    [{}, ['charge.succeeded', 'source.chargeable']],
    [{ type: 'source.chargeable' }, ['source.chargeable']],
    [{ type: 'charge.*' }, ['charge.succeeded']],
    [{ types: ['source.chargeable', 'charge.succeeded'] }, ['charge.succeeded', 'source.chargeable']],
    [{ type: 'source.failed' }, []],
  ]) {
    assert.deepEqual((await all(w.server.events.list(params))).map((ev) => ev.type), want, JSON.stringify(params));
  }
  const ev = await w.server.events.retrieve(delivered.id);
  assert.match(ev.id, /^evt_/);
  assert.deepEqual([ev.object, ev.type, ev.created, ev.data.object.id], ['event', delivered.type, delivered.created, ch.id]);
  await refused(w.server.events.retrieve('evt_000000000000000000000000'), { status: 404, code: 'resource_missing', param: 'id', says: /^No such event: / });
}

const oldVersion = '2019-09-09'; // from before refunds left the charge

export async function versions(w) {
  const old = await Receiver.create(w.t);
  const endpoint = await w.register(old, ['charge.succeeded'], { api_version: oldVersion });
  assert.equal(endpoint.api_version, oldVersion);

  const ch = await w.charged();
  assert.equal(ch.lastResponse.headers['stripe-version'], apiVersion);
  assert.ok(!('refunds' in ch));
  const pinned = await w.server.charges.retrieve(ch.id, {}, { apiVersion: oldVersion });
  assert.equal(pinned.lastResponse.headers['stripe-version'], oldVersion);
  assert.deepEqual(pinned.refunds, { object: 'list', data: [], has_more: false, total_count: 0, url: `/v1/charges/${ch.id}/refunds` });
  const older = dial(w.base, w.sk, { apiVersion: oldVersion });
  assert.equal((await older.charges.retrieve(ch.id)).refunds.object, 'list');
  assert.ok(!('refunds' in await older.charges.retrieve(ch.id, {}, { apiVersion })), "a request's version yields to the client's");
  // The account keeps the version of its first request.
  const plain = await w.get(w.sk, `/v1/charges/${ch.id}`);
  assert.equal(plain.headers.get('stripe-version'), apiVersion);
  assert.ok(!('refunds' in plain.body));

  const [then, now] = await Promise.all([old, w.hooks].map((r) => r.wait('charge.succeeded', ch.id)));
  assert.equal(then.id, now.id);
  assert.deepEqual([then.api_version, now.api_version], [oldVersion, apiVersion]);
  assert.deepEqual(['refunds' in then.data.object, 'refunds' in now.data.object], [true, false]);

  await refused(w.server.charges.retrieve(ch.id, {}, { apiVersion: '2099-01-01' }), { status: 400, says: /^Invalid Stripe API version: 2099-01-01/ });
}

export async function webhookEndpoints(w) {
  const r = await Receiver.create(w.t);
  const ep = await w.register(r, ['source.failed']);
  assert.match(ep.id, /^we_/);
  assert.match(ep.secret, /^whsec_/);
  assert.deepEqual([ep.object, ep.status, ep.url, ep.livemode], ['webhook_endpoint', 'enabled', r.url, false]);
  let got = await w.server.webhookEndpoints.retrieve(ep.id);
  assert.ok(!('secret' in got), 'the secret is shown again');
  assert.deepEqual(got.enabled_events, ['source.failed']);
  assert.deepEqual(ids(await all(w.server.webhookEndpoints.list())), [ep.id, w.endpoint.id]);

  const fail = async (receiver) => {
    const src = await w.source();
    await pay(src, 'decline');
    await receiver.wait('source.failed', src.id);
  };
  await w.authorized();
  await fail(r);
  assert.deepEqual(r.types(), ['source.failed']);
  got = await w.server.webhookEndpoints.update(ep.id, { disabled: true });
  assert.equal(got.status, 'disabled');
  await fail(w.hooks);
  got = await w.server.webhookEndpoints.update(ep.id, { disabled: false, enabled_events: ['source.canceled', 'source.failed'] });
  assert.deepEqual([got.status, got.enabled_events], ['enabled', ['source.canceled', 'source.failed']]);
  await fail(r);
  assert.deepEqual(r.types(), ['source.failed', 'source.failed']);

  assert.equal((await w.server.webhookEndpoints.del(ep.id)).deleted, true);
  await refused(w.server.webhookEndpoints.retrieve(ep.id), { status: 404, code: 'resource_missing', param: 'webhook_endpoint', says: /^No such webhook endpoint: / });
  await refused(w.server.webhookEndpoints.create({ url: 'ftp://shop.example/hook', enabled_events: ['*'] }), { status: 400, code: 'url_invalid', param: 'url' });
}

export async function webhookRetry(w) {
  const src = await w.source();
  const failed = w.hooks.outage();
  await pay(src, 'decline');
  await failed;
  await w.advance(600);
  const ev = await w.hooks.wait('source.failed', src.id);
  assert.deepEqual(ids(await all(w.server.events.list())), [ev.id]);
  assert.deepEqual(w.hooks.types(), ['source.failed']);
}

export async function worldsApart(w) {
  const ch = await w.charged();
  const src = ch.source;
  const other = await World.create(w.t, w.base);
  const missing = { status: 404, code: 'resource_missing' };
  await refused(other.server.sources.retrieve(src.id), { ...missing, param: 'source', says: new RegExp(`^No such source: '${src.id}'$`) });
  await refused(other.server.charges.retrieve(ch.id), { ...missing, param: 'id' });
  await refused(other.server.refunds.create({ charge: ch.id }), { ...missing, status: 400, param: 'charge' });
  await refused(other.client.sources.retrieve(src.id, { client_secret: src.client_secret }), { ...missing, param: 'source' });
  assert.deepEqual(await all(other.server.charges.list()), []);
  assert.deepEqual(await all(other.server.events.list()), []);
  await other.untouched();
  assert.deepEqual(other.hooks.types(), []);
}
