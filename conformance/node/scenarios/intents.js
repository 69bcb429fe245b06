// PaymentIntents and PaymentMethods. Every export is a scenario.
import assert from 'node:assert/strict';
import Stripe from 'stripe';
import { all, decide, ids, refused, returnURL } from '../world.js';

// intent creates one of 50.99 euro, as the guide does.
const intent = (w, change = {}) => w.server.paymentIntents.create({ amount: 5099, currency: 'eur', automatic_payment_methods: { enabled: true }, ...change });

// confirm does what the browser does: with the publishable key and the client
// secret.
const confirm = (w, pi, type = 'alma') => w.client.paymentIntents.confirm(pi.id, { client_secret: pi.client_secret, payment_method_data: { type }, return_url: returnURL });

// card creates and confirms an intent with a test card.
const card = (w, method, change = {}) => w.server.paymentIntents.create({
  amount: 1099, currency: 'usd', allowed_payment_method_types: ['card'], payment_method: method, confirm: true, return_url: returnURL, ...change,
});

// approve posts a decision to the page of an intent, and returns the query the
// payer comes back with.
async function approve(pi, decision = 'authorize') {
  assert.equal(pi.status, 'requires_action');
  const action = pi.next_action[pi.next_action.type];
  assert.equal(action.return_url, returnURL);
  const location = await decide(action.url, decision);
  assert.ok(location.startsWith(`${returnURL}&`), location);
  const query = new URL(location).searchParams;
  assert.deepEqual([query.get('payment_intent'), query.get('payment_intent_client_secret')], [pi.id, pi.client_secret]);
  assert.equal(query.get('redirect_status'), decision === 'authorize' ? 'succeeded' : 'failed');
  return query;
}

export async function intentAlma(w) {
  const pi = await intent(w, { metadata: { order: '6735' }, description: 'Two chairs' });
  assert.match(pi.id, /^pi_/);
  assert.match(pi.client_secret, new RegExp(`^${pi.id}_secret_`));
  assert.deepEqual([pi.object, pi.status, pi.amount, pi.currency, pi.next_action, pi.latest_charge], ['payment_intent', 'requires_payment_method', 5099, 'eur', null, null]);
  assert.ok(pi.payment_method_types.includes('alma'), pi.payment_method_types.join());
  await w.hooks.wait('payment_intent.created', pi.id);

  const open = await confirm(w, pi);
  assert.equal(open.next_action.type, 'redirect_to_url');
  assert.ok(!('metadata' in open), 'a publishable key is shown metadata');
  await w.hooks.wait('payment_intent.requires_action', pi.id);
  const page = await fetch(open.next_action.redirect_to_url.url);
  const body = await page.text();
  for (const text of ['50.99', 'Alma', 'Authorize Test Payment', 'Fail Test Payment']) assert.ok(body.includes(text), `the page does not say ${text}`);
  assert.equal((await approve(open)).get('redirect_pm_type'), 'alma');

  const { data: { object: told } } = await w.hooks.wait('payment_intent.succeeded', pi.id);
  assert.deepEqual([told.status, told.amount_received, told.metadata], ['succeeded', 5099, { order: '6735' }]);
  const done = await w.server.paymentIntents.retrieve(pi.id, { expand: ['latest_charge.balance_transaction', 'payment_method'] });
  const { latest_charge: ch, payment_method: method } = done;
  assert.deepEqual([done.status, method.type, ch.status, ch.payment_intent, ch.description], ['succeeded', 'alma', 'succeeded', pi.id, 'Two chairs']);
  assert.equal(ch.payment_method_details.type, 'alma');
  await w.hooks.wait('charge.succeeded', ch.id);
  assert.deepEqual([ch.balance_transaction.amount, ch.balance_transaction.currency], [5099, 'eur']);
  assert.equal(await w.balance('eur'), ch.balance_transaction.net);
  const seen = await w.client.paymentIntents.retrieve(pi.id, { client_secret: pi.client_secret });
  assert.deepEqual([seen.status, 'metadata' in seen, 'latest_charge' in seen], ['succeeded', false, false]);
}

export async function intentDecline(w) {
  const pi = await intent(w);
  const failed = async (code) => {
    const got = await w.server.paymentIntents.retrieve(pi.id);
    assert.deepEqual([got.status, got.payment_method, got.next_action, got.last_payment_error.code], ['requires_payment_method', null, null, code]);
    await w.hooks.wait('payment_intent.payment_failed', pi.id, (o) => o.last_payment_error.code === code);
  };
  await approve(await confirm(w, pi), 'decline');
  await failed('payment_intent_authentication_failure');
  // The page is good for an hour.
  await confirm(w, pi);
  await w.advance(59 * 60);
  assert.equal((await w.server.paymentIntents.retrieve(pi.id)).status, 'requires_action');
  await w.advance(61);
  await failed('payment_intent_payment_attempt_expired');
  assert.equal(await w.balance('eur'), 0);
  // The same intent and secret are good for another try.
  await approve(await confirm(w, pi));
  const done = await w.server.paymentIntents.retrieve(pi.id);
  assert.deepEqual([done.status, done.last_payment_error], ['succeeded', null]);
  assert.deepEqual(ids(await all(w.server.charges.list({ payment_intent: pi.id }))), [done.latest_charge]);
}

export async function intentCards(w) {
  const paid = await card(w, 'pm_card_visa', { expand: ['latest_charge'] });
  assert.deepEqual([paid.status, paid.latest_charge.status, paid.latest_charge.payment_method_details.card.last4], ['succeeded', 'succeeded', '4242']);
  assert.match(paid.latest_charge.id, /^ch_/);
  for (const [method, code, decline, param] of [
    ['pm_card_visa_chargeDeclined', 'card_declined', 'generic_decline', undefined],
    ['pm_card_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds', undefined],
    ['pm_card_chargeDeclinedExpiredCard', 'expired_card', 'expired_card', 'exp_month'],
  ]) {
    const err = await refused(card(w, method), { status: 402, type: 'card_error', code, param }, method);
    assert.deepEqual([err.decline_code, err.payment_intent.status], [decline, 'requires_payment_method']);
    assert.equal((await w.server.charges.retrieve(err.charge)).failure_code, code);
  }
  let pi = await card(w, 'pm_card_threeDSecure2Required');
  assert.equal((await approve(pi)).get('redirect_pm_type'), 'card');
  assert.equal((await w.server.paymentIntents.retrieve(pi.id)).status, 'succeeded');
  pi = await card(w, 'pm_card_threeDSecure2Required');
  await approve(pi, 'decline');
  pi = await w.server.paymentIntents.retrieve(pi.id);
  assert.deepEqual([pi.status, pi.last_payment_error.code], ['requires_payment_method', 'payment_intent_authentication_failure']);
  await refused(card(w, 'pm_card_authenticationRequired', { off_session: true }), { status: 402, type: 'card_error', code: 'authentication_required' });
}

export async function intentCapture(w) {
  const held = async () => {
    const pi = await intent(w, { capture_method: 'manual' });
    await approve(await confirm(w, pi));
    const got = await w.server.paymentIntents.retrieve(pi.id);
    assert.deepEqual([got.status, got.amount_capturable, got.amount_received], ['requires_capture', 5099, 0]);
    return got;
  };
  const first = await held();
  await w.hooks.wait('payment_intent.amount_capturable_updated', first.id);
  assert.equal(await w.balance('eur'), 0);
  await refused(w.server.paymentIntents.capture(first.id, { amount_to_capture: 5100 }), { status: 400, code: 'amount_too_large', param: 'amount_to_capture' });
  const done = await w.server.paymentIntents.capture(first.id, { amount_to_capture: 3000, expand: ['latest_charge.balance_transaction'] });
  assert.deepEqual([done.status, done.amount_received, done.amount_capturable, done.latest_charge.amount_captured], ['succeeded', 3000, 0, 3000]);
  assert.equal(await w.balance('eur'), done.latest_charge.balance_transaction.net);
  await refused(w.server.paymentIntents.capture(first.id), { status: 400, code: 'payment_intent_unexpected_state' });

  const second = await held();
  const canceled = await w.server.paymentIntents.cancel(second.id, { cancellation_reason: 'requested_by_customer' });
  assert.deepEqual([canceled.status, canceled.cancellation_reason, canceled.amount_capturable], ['canceled', 'requested_by_customer', 0]);
  await w.hooks.wait('payment_intent.canceled', second.id);
  await refused(w.server.paymentIntents.capture(second.id), { status: 400, code: 'payment_intent_unexpected_state' });
  assert.equal(await w.balance('eur'), done.latest_charge.balance_transaction.net);
}

export async function intentErrors(w) {
  // The guide is older than this library's version, which has no payment_method_types.
  const create = (change) => w.server.paymentIntents.create({ amount: 5099, currency: 'eur', ...change }, { apiVersion: '2026-03-25.dahlia' });
  // The four of the guide.
  await refused(create({ currency: 'usd', payment_method_types: ['alma'] }), { status: 400, code: 'payment_intent_invalid_currency', param: 'currency' });
  await refused(create({ payment_method_data: { billing_details: { name: 'x' } } }), {
    status: 400, code: 'missing_required_parameter', param: 'payment_method_data[type]', says: /^Missing required param: payment_method_data\[type\]\.$/,
  });
  const pi = await intent(w);
  await refused(w.client.paymentIntents.confirm(pi.id, { client_secret: pi.client_secret, payment_method_data: { type: 'alma' } }), {
    status: 400, code: 'payment_intent_redirect_confirmation_without_return_url', param: 'return_url',
  });
  const open = await confirm(w, pi);
  await decide(open.next_action.redirect_to_url.url, 'authorize', { scenario: 'wallet_error' });
  const failed = await w.server.paymentIntents.retrieve(pi.id, { expand: ['latest_charge'] });
  assert.deepEqual([failed.status, failed.last_payment_error.code, failed.latest_charge.status], ['requires_payment_method', 'payment_intent_payment_attempt_failed', 'failed']);

  const other = await intent(w);
  await refused(w.client.paymentIntents.confirm(pi.id, { client_secret: other.client_secret, payment_method_data: { type: 'alma' }, return_url: returnURL }), {
    status: 400, code: 'payment_intent_invalid_parameter', param: 'client_secret',
  });
  await refused(w.client.paymentIntents.retrieve(pi.id, { client_secret: other.client_secret }), { status: 400, code: 'payment_intent_invalid_parameter', param: 'client_secret' });
  await w.server.paymentIntents.cancel(other.id);
  await refused(confirm(w, other), { status: 400, code: 'payment_intent_unexpected_state', param: 'payment_method' });
  await refused(w.server.paymentIntents.update(other.id, { amount: 6000 }), { status: 400, code: 'payment_intent_unexpected_state', param: 'amount' });
  await refused(w.server.paymentIntents.retrieve('pi_000000000000000000000000'), { status: 404, code: 'resource_missing', param: 'intent', says: /^No such payment_intent: / });
  await refused(create({ amount: 4999, payment_method_types: ['alma'] }), { status: 400, code: 'amount_too_small', param: 'amount' });
  await refused(w.server.paymentIntents.create({ amount: 5099, currency: 'eur', payment_method_types: ['alma'] }), { status: 400, code: 'parameter_unknown', param: 'payment_method_types' });
  await refused(create({ amount: 500001, payment_method_types: ['alma'] }), { status: 400, code: 'amount_too_large', param: 'amount' });
  assert.equal(await w.balance('eur'), 0);
}

export async function intentRefund(w) {
  const pi = await intent(w, { allowed_payment_method_types: ['alipay'], automatic_payment_methods: undefined });
  const open = await confirm(w, pi, 'alipay');
  assert.equal(open.next_action.type, 'alipay_handle_redirect');
  await approve(open);
  await w.advance(2);
  await w.hooks.wait('payment_intent.succeeded', pi.id);
  const refund = await w.server.refunds.create({ payment_intent: pi.id, amount: 1000, reason: 'requested_by_customer' });
  assert.deepEqual([refund.amount, refund.payment_intent, refund.reason], [1000, pi.id, 'requested_by_customer']);
  await w.advance(600);
  assert.equal((await w.server.refunds.retrieve(refund.id)).status, 'succeeded');
  assert.deepEqual(ids(await all(w.server.refunds.list({ payment_intent: pi.id }))), [refund.id]);
  const [ch] = await all(w.server.charges.list({ payment_intent: pi.id }));
  assert.deepEqual([ch.id, ch.amount_refunded, ch.refunded], [refund.charge, 1000, false]);
  await refused(w.server.refunds.create({ payment_intent: pi.id, amount: 4100 }), { status: 400, param: 'amount', says: /40\.99/ });
  await refused(w.server.refunds.create({ payment_intent: (await intent(w)).id }), { status: 400, param: 'payment_intent', says: /does not have a successful charge to refund/ });
}

export async function paymentMethods(w) {
  const cus = await w.server.customers.create({ email: 'li@example.com' });
  const saved = await w.server.paymentMethods.attach('pm_card_visa', { customer: cus.id });
  assert.match(saved.id, /^pm_/);
  assert.notEqual(saved.id, 'pm_card_visa');
  assert.deepEqual([saved.object, saved.type, saved.card.brand, saved.card.last4, saved.customer], ['payment_method', 'card', 'visa', '4242', cus.id]);
  await w.hooks.wait('payment_method.attached', saved.id);
  const updated = await w.server.paymentMethods.update(saved.id, { metadata: { a: 'b' }, billing_details: { name: 'Li Wei' } });
  assert.deepEqual([updated.metadata, updated.billing_details.name], [{ a: 'b' }, 'Li Wei']);
  const wallet = await w.server.paymentMethods.create({ type: 'alipay' });
  await w.server.paymentMethods.attach(wallet.id, { customer: cus.id });
  assert.deepEqual(ids(await all(w.server.paymentMethods.list({ customer: cus.id, limit: 1 }))), [wallet.id, saved.id]);
  assert.deepEqual(ids(await all(w.server.customers.listPaymentMethods(cus.id, { type: 'card' }))), [saved.id]);

  // A saved card pays for its customer without them, and for nobody else.
  const pi = await card(w, saved.id, { customer: cus.id, off_session: true });
  assert.deepEqual([pi.status, pi.payment_method, pi.customer], ['succeeded', saved.id, cus.id]);
  await refused(card(w, saved.id), { status: 400, param: 'payment_method' });
  const detached = await w.server.paymentMethods.detach(saved.id);
  assert.equal(detached.customer, null);
  await w.hooks.wait('payment_method.detached', saved.id);
  await refused(w.server.paymentMethods.retrieve('pm_000000000000000000000000'), { status: 404, code: 'resource_missing', param: 'payment_method', says: /^No such PaymentMethod: / });
  // Only test cards are cards, and only a browser may send one.
  const number = (n) => ({ type: 'card', card: { number: n, exp_month: 12, exp_year: 2034, cvc: '123' } });
  assert.equal((await w.client.paymentMethods.create(number('4242424242424242'))).card.last4, '4242');
  await refused(w.server.paymentMethods.create(number('4242424242424242')), { status: 402, is: Stripe.errors.StripeCardError });
}

export async function search(w) {
  const orders = ['red', 'red', 'blue'];
  const made = [];
  for (const colour of orders) made.push((await w.charged({ metadata: { colour: 'unseen' } })).id);
  for (const [i, id] of made.entries()) await w.server.charges.update(id, { metadata: { colour: orders[i] } });
  await w.server.customers.create({ email: 'li@example.com', name: 'Li Wei' });
  const pi = await card(w, 'pm_card_visa', { metadata: { colour: 'red' } });

  const found = await w.server.charges.search({ query: "metadata['colour']:'red' AND amount>1000 AND status:'succeeded'", limit: 1 });
  assert.deepEqual([found.object, found.has_more, found.url, found.data.length], ['search_result', true, '/v1/charges/search', 1]);
  assert.ok(found.next_page);
  const reds = await all(w.server.charges.search({ query: "metadata['colour']:'red'", limit: 1 }));
  assert.deepEqual(ids(reds).filter((id) => made.includes(id)), [made[1], made[0]]);
  assert.deepEqual(ids(await all(w.server.paymentIntents.search({ query: "metadata['colour']:'red'" }))), [pi.id]);
  const { data: [li] } = await w.server.customers.search({ query: "email:'LI@example.com'", expand: ['total_count'] });
  assert.equal(li.name, 'Li Wei');
  await refused(w.server.charges.search({ query: 'colour is red' }), { status: 400, param: 'query' });
  await refused(w.server.charges.search({ query: "flavour:'sweet'" }), { status: 400, param: 'query' });
}

export async function setupIntent(w) {
  const cus = await w.server.customers.create({ email: 'li@example.com' });
  const create = () => w.server.setupIntents.create({ customer: cus.id, allowed_payment_method_types: ['alipay'], usage: 'off_session' });
  const agree = async (si, decision) => {
    const open = await w.client.setupIntents.confirm(si.id, {
      client_secret: si.client_secret, payment_method_data: { type: 'alipay' }, return_url: returnURL,
      mandate_data: { customer_acceptance: { type: 'online', online: { infer_from_client: true } } },
    });
    assert.deepEqual([open.status, open.next_action.type], ['requires_action', 'redirect_to_url']);
    const query = new URL(await decide(open.next_action.redirect_to_url.url, decision)).searchParams;
    assert.deepEqual([query.get('setup_intent'), query.get('setup_intent_client_secret')], [si.id, si.client_secret]);
    return w.server.setupIntents.retrieve(si.id, { expand: ['mandate', 'payment_method'] });
  };
  const si = await create();
  assert.match(si.id, /^seti_/);
  assert.deepEqual([si.object, si.status, si.usage], ['setup_intent', 'requires_payment_method', 'off_session']);
  const declined = await agree(si, 'decline');
  assert.deepEqual([declined.status, declined.last_setup_error.code], ['requires_payment_method', 'setup_intent_authentication_failure']);
  await w.hooks.wait('setup_intent.setup_failed', si.id);
  const done = await agree(si, 'authorize');
  assert.deepEqual([done.status, done.payment_method.customer, done.mandate.status, done.mandate.type], ['succeeded', cus.id, 'active', 'multi_use']);
  await w.hooks.wait('setup_intent.succeeded', si.id);
  assert.deepEqual(ids(await all(w.server.setupIntents.list({ customer: cus.id }))), [si.id]);

  // Debited while the payer is away, until they withdraw.
  const debit = () => w.server.paymentIntents.create({
    amount: 1099, currency: 'usd', customer: cus.id, payment_method: done.payment_method.id, allowed_payment_method_types: ['alipay'], off_session: true, confirm: true,
  });
  assert.equal((await debit()).status, 'succeeded');
  await w.control('decide', { id: done.mandate.id, decision: 'withdraw' });
  assert.equal((await w.server.mandates.retrieve(done.mandate.id)).status, 'inactive');
  await w.hooks.wait('mandate.updated', done.mandate.id, (o) => o.status === 'inactive');
  await refused(debit(), { status: 400, code: 'payment_intent_mandate_invalid', param: 'payment_method' });

  const other = await create();
  assert.equal((await w.server.setupIntents.cancel(other.id)).status, 'canceled');
  await refused(w.server.setupIntents.update(other.id, { description: 'x' }), { status: 400, code: 'setup_intent_unexpected_state' });
}
