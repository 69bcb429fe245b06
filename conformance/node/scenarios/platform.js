// What the library relies on beside the resources. Every export is a scenario.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Stripe from 'stripe';
import { within } from '../server.js';
import { Gateway, all, dial, freePort, ids, order, pay, refused } from '../world.js';

const { errors } = Stripe;

export async function errorClasses(w) {
  const src = await w.authorized({ metadata: { ducat_scenario: 'insufficient_funds' } });
  await refused(w.charge(src), { status: 402, type: 'card_error', code: 'insufficient_funds', is: errors.StripeCardError });
  await refused(w.server.sources.create(order({ amount: 1 })), { status: 400, code: 'amount_too_small', param: 'amount', is: errors.StripeInvalidRequestError });
  await refused(w.server.charges.retrieve('py_x'), { status: 404, code: 'resource_missing', param: 'id', is: errors.StripeInvalidRequestError });
  await refused(dial(w.base, 'sk_test_x').balance.retrieve(), { status: 401, is: errors.StripeAuthenticationError });
  await refused(w.server.balance.retrieve({}, { stripeAccount: 'acct_000000000000aaaa' }), { status: 403, code: 'account_invalid', is: errors.StripePermissionError });
  const idempotencyKey = 'classes';
  await w.server.sources.create(order(), { idempotencyKey });
  await refused(w.server.sources.create(order({ amount: 2000 }), { idempotencyKey }), { status: 400, type: 'idempotency_error', is: errors.StripeIdempotencyError });
  const failing = order({ metadata: { ducat_scenario: 'creation_processing_error' } });
  await refused(w.server.sources.create(failing), { status: 500, type: 'api_error', code: 'processing_error', is: errors.StripeAPIError });
  await w.control('race', { rules: [{ on: 'call', do: 'fail', path: '/v1/balance', error: { status: 429, code: 'rate_limit' } }] });
  await refused(w.server.balance.retrieve(), { status: 429, code: 'rate_limit', is: errors.StripeRateLimitError });
  const gateway = await Gateway.create(w);
  gateway.lose = Infinity;
  const err = await gateway.dial().balance.retrieve().then(() => assert.fail('an answer that was lost'), (e) => e);
  assert.equal(err.constructor.name, 'StripeConnectionError');
}

export async function networkRetries(w) {
  const src = await w.authorized();
  const gateway = await Gateway.create(w);
  const server = gateway.dial({ maxNetworkRetries: 2 });
  gateway.lose = 1;
  const ch = await server.charges.create({ amount: src.amount, currency: src.currency, source: src.id });
  assert.equal(gateway.keys.length, 2, 'requests');
  assert.equal(new Set(gateway.keys).size, 1, 'both requests have one key');
  assert.equal(ch.lastResponse.headers['idempotent-replayed'], 'true');
  assert.deepEqual(ids(await all(w.server.charges.list())), [ch.id]);

  // A failure that the answer says is worth another try is tried again.
  await w.control('script', { rules: [{ on: 'authorize', do: 'error', times: 1 }] });
  gateway.keys = [];
  assert.equal((await server.sources.create(order())).status, 'pending');
  assert.equal(gateway.keys.length, 2, 'requests');
  assert.equal(new Set(gateway.keys).size, 1, 'both requests have one key');

  // One that is the caller's own fault is not.
  gateway.keys = [];
  await refused(server.sources.create(order({ amount: 1 })), { status: 400, code: 'amount_too_small', param: 'amount' });
  assert.equal(gateway.keys.length, 1, 'requests');
}

export async function expand(w) {
  const cus = await w.server.customers.create({ email: 'li@example.com' });
  const ch = await w.charge(await w.authorized(), { customer: cus.id, expand: ['customer'] });
  assert.equal(ch.customer.email, 'li@example.com');
  const re = await w.server.refunds.create({ charge: ch.id, amount: 100, expand: ['charge.customer', 'balance_transaction'] });
  assert.deepEqual([re.charge.id, re.charge.customer.id, re.balance_transaction.amount], [ch.id, cus.id, -100]);

  const full = await w.server.charges.retrieve(ch.id, { expand: ['refunds.data.balance_transaction', 'balance_transaction.source'] });
  assert.deepEqual(full.refunds.data.map((r) => [r.id, r.balance_transaction.net]), [[re.id, -100]]);
  assert.deepEqual([full.balance_transaction.source.object, full.balance_transaction.source.id], ['charge', ch.id]);
  const plain = await w.server.charges.retrieve(ch.id);
  assert.deepEqual([plain.customer, plain.balance_transaction, 'refunds' in plain], [cus.id, full.balance_transaction.id, false]);

  await w.charged();
  const list = await w.server.charges.list({ limit: 1, expand: ['data.balance_transaction', 'data.customer'] });
  assert.equal(list.data[0].balance_transaction.object, 'balance_transaction');
  const everything = await all(w.server.charges.list({ limit: 1, expand: ['data.balance_transaction'] }));
  assert.deepEqual(everything.map((c) => c.balance_transaction.source), ids(everything));
  await w.server.customers.del(cus.id);
  assert.equal((await w.server.charges.retrieve(ch.id, { expand: ['customer'] })).customer.deleted, true);

  await refused(w.server.charges.retrieve(ch.id, { expand: ['amount'] }), { status: 400, says: /^This property cannot be expanded \(amount\)/ });
  await refused(w.server.charges.list({ expand: ['customer'] }), { status: 400, says: /You may want to try expanding 'data\.customer' instead/ });
  await refused(w.server.charges.retrieve(ch.id, { expand: ['refunds.data.charge.customer.default_source'] }), { status: 400, code: 'property_expansion_max_depth', says: /more than 4 levels/ });
}

export async function signatures(w) {
  const src = await w.source();
  await pay(src, 'decline');
  const { body, signature } = await w.hooks.delivery('source.failed', src.id);
  const { secret } = w.hooks;
  const verify = (b, s, k, ...more) => Stripe.webhooks.constructEvent(b, s, k, ...more).data.object.id;
  // The world's clock is a day ahead, the signature's is not.
  assert.equal(verify(body, signature, secret, 60), src.id);
  const bad = (says, ...args) => assert.throws(() => verify(...args), (err) => err instanceof errors.StripeSignatureVerificationError && says.test(err.message));
  bad(/No signatures found matching/, body, signature, `whsec_${'0'.repeat(32)}`);
  bad(/No signatures found matching/, body.toString().replace('1099', '1098'), signature, secret);
  bad(/No signatures found with expected scheme/, body, signature.replaceAll('v1=', 'v0='), secret);
  bad(/Unable to extract timestamp/, body, 'nonsense', secret);
  const signed = Number(/t=(\d+)/.exec(signature)[1]);
  bad(/outside the tolerance zone/, body, signature, secret, 300, null, (signed + 301) * 1000);
  assert.equal(verify(body, signature, secret, 300, null, (signed + 299) * 1000), src.id);
}

export async function secretRolling(w) {
  const old = w.hooks.secret;
  const { secret } = await w.control('endpoints/roll', { endpoint: w.endpoint.id, keep_seconds: 3600 });
  assert.notEqual(secret, old);
  let src = await w.source();
  await pay(src, 'decline');
  let { body, signature } = await w.hooks.delivery('source.failed', src.id); // which the old secret opens
  assert.equal(signature.match(/v1=/g).length, 2);
  for (const key of [old, secret]) assert.equal(Stripe.webhooks.constructEvent(body, signature, key).data.object.id, src.id);

  w.hooks.secret = (await w.control('endpoints/roll', { endpoint: w.endpoint.id, keep_seconds: 0 })).secret;
  src = await w.source();
  await pay(src, 'decline');
  ({ body, signature } = await w.hooks.delivery('source.failed', src.id));
  assert.equal(signature.match(/v1=/g).length, 1);
  for (const key of [old, secret]) assert.throws(() => Stripe.webhooks.constructEvent(body, signature, key), errors.StripeSignatureVerificationError);
}

export async function accountHeader(w) {
  const { body: { account } } = await w.get(w.sk, '/_ducat/v1/account');
  const ch = await w.charged();
  const seen = await w.server.charges.retrieve(ch.id, {}, { stripeAccount: account });
  assert.equal(seen.lastResponse.headers['stripe-account'], account);
  assert.equal((await dial(w.base, w.sk, { stripeAccount: account }).charges.retrieve(ch.id)).id, ch.id);
  const stranger = 'acct_000000000000aaaa';
  await refused(w.server.charges.retrieve(ch.id, {}, { stripeAccount: stranger }), {
    status: 403, code: 'account_invalid', is: errors.StripePermissionError, says: new RegExp(`does not have access to account '${stranger}'`),
  });
  await refused(dial(w.base, w.sk, { stripeAccount: stranger }).sources.create(order()), { status: 403, code: 'account_invalid', is: errors.StripePermissionError });
  assert.equal((await all(w.server.charges.list())).length, 1);
}

const pdf = Buffer.from('%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n');

export async function files(w) {
  const upload = (data, name, type, purpose = 'dispute_evidence') => w.server.files.create({ purpose, file: { data, name, type } });
  const file = await upload(pdf, 'receipt.pdf', 'application/pdf');
  assert.match(file.id, /^file_/);
  assert.deepEqual([file.object, file.purpose, file.filename, file.size, file.type], ['file', 'dispute_evidence', 'receipt.pdf', pdf.length, 'pdf']);
  assert.equal((await w.server.files.retrieve(file.id)).filename, 'receipt.pdf');
  assert.deepEqual(ids(await all(w.server.files.list({ purpose: 'dispute_evidence' }))), [file.id]);
  const res = await fetch(file.url, { headers: { authorization: `Bearer ${w.sk}` } });
  assert.deepEqual(Buffer.from(await res.arrayBuffer()), pdf);
  await refused(upload(Buffer.from('plain'), 'a.txt', 'text/plain'), { status: 400, param: 'file' });
  await refused(upload(pdf, 'receipt.pdf', 'application/pdf', 'decoration'), { status: 400, param: 'purpose' });

  const ch = await w.charged();
  const { id } = await w.control('disputes', { id: ch.id, reason: 'product_not_received' });
  await refused(w.server.disputes.update(id, { evidence: { receipt: 'file_000000000000000000000000' } }), { status: 400, param: 'evidence[receipt]', says: /^No such file upload/, code: 'resource_missing' });
  const dispute = await w.server.disputes.update(id, { evidence: { receipt: file.id }, submit: true });
  assert.deepEqual([dispute.evidence.receipt, dispute.status], [file.id, 'under_review']);
}

export async function payouts(w) {
  const ch = await w.charged();
  const { fee } = (await w.transactions())[0];
  const net = ch.amount - fee;
  await refused(w.server.payouts.create({ amount: net, currency: 'usd' }), { status: 400, code: 'balance_insufficient' });
  await w.advance(9 * 86400);
  const available = async () => (await w.server.balance.retrieve()).available.find((part) => part.currency === 'usd').amount;
  assert.equal(await available(), net);

  const first = await w.server.payouts.create({ amount: 400, currency: 'usd', metadata: { week: '7' } });
  assert.match(first.id, /^po_/);
  assert.deepEqual([first.object, first.status, first.amount, first.automatic, first.metadata], ['payout', 'pending', 400, false, { week: '7' }]);
  await w.hooks.wait('payout.created', first.id);
  assert.equal(await available(), net - 400);
  await w.advance(3 * 86400);
  const { data: { object: paid } } = await w.hooks.wait('payout.paid', first.id);
  assert.deepEqual([paid.id, paid.status], [first.id, 'paid']);
  const { balance_transaction: txn } = await w.server.payouts.retrieve(first.id, { expand: ['balance_transaction'] });
  assert.deepEqual([txn.type, txn.amount, txn.source], ['payout', -400, first.id]);

  const second = await w.server.payouts.create({ amount: 100, currency: 'usd' });
  assert.equal((await w.server.payouts.cancel(second.id)).status, 'canceled');
  await w.hooks.wait('payout.canceled', second.id);
  const third = await w.server.payouts.create({ amount: 100, currency: 'usd', metadata: { ducat_scenario: 'payout_failed' } });
  await w.advance(3 * 86400);
  const { data: { object: failed } } = await w.hooks.wait('payout.failed', third.id);
  assert.equal(failed.status, 'failed');
  assert.ok(failed.failure_code);
  assert.equal(await available(), net - 400);
  assert.deepEqual(ids(await all(w.server.payouts.list())), [third.id, second.id, first.id]);
  assert.deepEqual(ids(await all(w.server.payouts.list({ status: 'paid' }))), [first.id]);
}

// quickstart runs the program that README.md prints for this library.
export async function quickstart(w) {
  const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8');
  const { host, hostname, port } = new URL(w.base);
  const program = /^```js\n(.*?)^```$/ms.exec(readme)[1]
    .replace("host: '127.0.0.1', port: 12111", `host: '${hostname}', port: ${port}`)
    .replaceAll('4243', await freePort());
  assert.ok(program.includes(`port: ${port}`), 'the address in the program');
  const dir = await mkdtemp(new URL('../.quickstart-', import.meta.url).pathname); // where it finds the library
  w.t.after(() => rm(dir, { recursive: true }));
  await writeFile(join(dir, 'shop.mjs'), program);
  const shop = spawn(process.execPath, ['shop.mjs'], { cwd: dir, stdio: ['ignore', 'pipe', 'inherit'] });
  w.t.after(() => shop.kill());
  const lines = createInterface({ input: shop.stdout });
  const said = [];
  const until = (pattern) => within(new Promise((resolve, reject) => {
    const look = (line) => {
      const found = pattern.exec(line);
      if (found) resolve(found);
      return found;
    };
    if (said.some(look)) return;
    lines.on('line', look);
    lines.on('close', () => reject(new Error(`it ended without ${pattern}; it said\n${said.join('\n')}`)));
  }), `${pattern}`);
  lines.on('line', (line) => said.push(line));

  const [, page] = await until(/^open (http:\/\/\S+)$/);
  assert.equal(new URL(page).host, host);
  const res = await fetch(page, { method: 'POST', body: new URLSearchParams({ decision: 'authorize' }), redirect: 'manual' });
  await res.text();
  assert.equal(res.status, 303);
  await until(/^charged py_\w+ succeeded$/);
  await until(/^refunded pyr_\w+ pending$/);
}

export async function restrictedKey(w) {
  const ch = await w.charged();
  const { key } = await w.control('keys', { permissions: ['rak_charge_read'] });
  assert.match(key, /^rk_test_/);
  const restricted = dial(w.base, key);
  assert.equal((await restricted.charges.retrieve(ch.id)).id, ch.id);
  const forbidden = { status: 403, code: 'more_permissions_required', is: errors.StripePermissionError, says: /'rak_charge_write' permission would allow/ };
  await refused(restricted.refunds.create({ charge: ch.id }), forbidden);
  await refused(restricted.customers.list(), { ...forbidden, says: /'rak_customer_read' permission would allow/ });
  assert.deepEqual(await all(w.server.refunds.list()), []);
  await w.control('keys', { key, permissions: ['rak_charge_write'] });
  assert.equal((await restricted.refunds.create({ charge: ch.id })).amount, 1099);
}

export async function ephemeralKey(w) {
  const apiVersion = '2020-08-27'; // of the library in the app
  const cus = await w.server.customers.create({ email: 'li@example.com' });
  const saved = await w.server.paymentMethods.attach('pm_card_visa', { customer: cus.id });
  const key = await w.server.ephemeralKeys.create({ customer: cus.id }, { apiVersion });
  assert.match(key.id, /^ephkey_/);
  assert.match(key.secret, /^ek_test_/);
  assert.deepEqual([key.object, key.associated_objects, key.expires - key.created], ['ephemeral_key', [{ id: cus.id, type: 'customer' }], 3600]);
  assert.equal(key.lastResponse.headers['stripe-version'], apiVersion);

  const app = dial(w.base, key.secret, { apiVersion });
  const methods = async () => ids(await all(app.paymentMethods.list({ customer: cus.id, type: 'card' })));
  assert.deepEqual(await methods(), [saved.id]);
  const card = await w.client.paymentMethods.create({ type: 'card', card: { number: '4242424242424242', exp_month: 12, exp_year: 2034, cvc: '123' } });
  await app.paymentMethods.attach(card.id, { customer: cus.id });
  assert.deepEqual(await methods(), [card.id, saved.id]);
  await app.paymentMethods.detach(saved.id);
  assert.deepEqual(await methods(), [card.id]);
  const forbidden = { status: 403, code: 'more_permissions_required', is: errors.StripePermissionError, says: /ephemeral key/ };
  const other = await w.server.customers.create();
  await refused(app.paymentMethods.list({ customer: other.id, type: 'card' }), forbidden);
  await refused(app.balance.retrieve(), forbidden);

  const gone = await w.server.ephemeralKeys.del(key.id);
  assert.deepEqual([gone.id, 'secret' in gone], [key.id, false]);
  await refused(methods(), { status: 401, code: 'api_key_expired', is: errors.StripeAuthenticationError, says: /^Expired API Key/ });
  assert.deepEqual(ids(await all(w.server.paymentMethods.list({ customer: cus.id }))), [card.id]);
}

export async function raceLab(w) {
  // The webhook is faster than the answer.
  let src = await w.authorized();
  await w.control('race', { rules: [{ on: 'webhook', do: 'before_response', event: 'charge.succeeded', times: 1 }] });
  const first = await w.charge(src);
  const told = w.hooks.events.find((ev) => ev.type === 'charge.succeeded');
  assert.equal(told?.data.object.id, first.id, 'delivered before the answer');

  // One event, delivered twice.
  await w.control('race', { rules: [{ on: 'webhook', do: 'copies', event: 'source.failed', times: 1 }] });
  src = await w.source();
  await pay(src, 'decline');
  await w.advance(0);
  const copies = w.hooks.events.filter((ev) => ev.type === 'source.failed');
  assert.deepEqual(copies.map((ev) => [ev.id, ev.data.object.id]), [[copies[0]?.id, src.id], [copies[0]?.id, src.id]]);

  // A 500 after everything was done: trying again answers what was done.
  src = await w.authorized();
  await w.control('race', { rules: [{ on: 'call', do: 'fail', when: 'after', method: 'POST', path: '/v1/charges', error: { status: 500 }, times: 1 }] });
  const ch = await dial(w.base, w.sk, { maxNetworkRetries: 2 }).charges.create({ amount: src.amount, currency: src.currency, source: src.id });
  assert.equal(ch.lastResponse.headers['idempotent-replayed'], 'true');
  assert.deepEqual(ids(await all(w.server.charges.list())), [ch.id, first.id]);
}

export async function testClock(w) {
  const { testClocks } = w.server.testHelpers;
  const clock = await testClocks.create({ frozen_time: w.dawn, name: 'two hours later' });
  assert.match(clock.id, /^clock_/);
  assert.deepEqual([clock.object, clock.status, clock.frozen_time, clock.name], ['test_helpers.test_clock', 'ready', w.dawn, 'two hours later']);
  const cus = await w.server.customers.create({ test_clock: clock.id });
  assert.deepEqual([cus.test_clock, cus.created], [clock.id, w.dawn]);
  const src = await w.source();

  const target = w.dawn + 7200;
  const moving = await testClocks.advance(clock.id, { frozen_time: target });
  assert.deepEqual([moving.status, moving.status_details.advancing.target_frozen_time], ['advancing', target]);
  await w.hooks.wait('test_helpers.test_clock.ready', clock.id);
  await w.hooks.wait('source.canceled', src.id);
  const moved = await testClocks.retrieve(clock.id);
  assert.deepEqual([moved.status, moved.frozen_time], ['ready', target]);
  await refused(testClocks.advance(clock.id, { frozen_time: w.dawn }), { status: 400, param: 'frozen_time' });
  assert.deepEqual(ids(await all(testClocks.list())), [clock.id]);

  assert.equal((await testClocks.del(clock.id)).deleted, true);
  assert.equal((await w.server.customers.retrieve(cus.id)).deleted, true);
  await refused(testClocks.retrieve(clock.id), { status: 404, code: 'resource_missing', param: 'test_clock', says: /^No such test clock: / });
}
