// Refunds, disputes, reports, and what time does to money. Every export is a scenario.
import assert from 'node:assert/strict';
import { all, ids, open, order, refused, returnURL } from '../world.js';

const notChargeable = { status: 400, code: 'invalid_source_usage', param: 'source', says: /not in a chargeable state/ };

export async function refunds(w) {
  const ch = await w.charged();
  const { fee } = (await w.transactions())[0];
  const refund = (amount) => w.server.refunds.create({ charge: ch.id, ...(amount && { amount }) });

  const first = await refund(549);
  assert.deepEqual([first.object, first.amount, first.currency, first.charge], ['refund', 549, 'usd', ch.id]);
  assert.match(first.id, /^pyr_/);
  assert.ok(['pending', 'succeeded'].includes(first.status), first.status);
  let ev = await w.hooks.wait('charge.refunded', ch.id, (o) => o.amount_refunded === 549);
  assert.equal(ev.data.object.refunded, false);
  await w.hooks.wait('refund.created', first.id);
  assert.equal(await w.balance('usd'), 1099 - fee - 549);

  await refused(refund(551), { status: 400, param: 'amount', says: /5\.51.*greater than.*5\.50/ });
  const rest = await refund();
  assert.equal(rest.amount, 550);
  ev = await w.hooks.wait('charge.refunded', ch.id, (o) => o.amount_refunded === 1099);
  assert.equal(ev.data.object.refunded, true);
  for (const amount of [undefined, 1]) {
    await refused(refund(amount), { status: 400, code: 'charge_already_refunded', says: new RegExp(`${ch.id} has already been refunded`) });
  }

  await w.advance(600);
  for (const { id } of [first, rest]) {
    assert.equal((await w.server.refunds.retrieve(id)).status, 'succeeded', 'refund after ten minutes');
  }
  assert.deepEqual(ids(await all(w.server.refunds.list({ charge: ch.id }))), [rest.id, first.id]);
  const full = await w.server.charges.retrieve(ch.id, { expand: ['refunds'] });
  assert.deepEqual([full.status, full.amount_refunded, full.refunded, ids(full.refunds.data)], ['succeeded', 1099, true, [rest.id, first.id]]);

  const txns = await w.transactions();
  assert.deepEqual(txns.map((txn) => [txn.type, txn.amount, txn.fee, txn.source]), [
    ['payment_refund', -550, 0, rest.id], ['payment_refund', -549, 0, first.id], ['payment', 1099, fee, ch.id],
  ]);
  for (const txn of txns) assert.equal(txn.net, txn.amount - txn.fee);
  assert.equal(await w.balance('usd'), -fee);
}

export async function refundWindow(w) {
  const ch = await w.charged();
  const end = ch.created + 90 * 86400;
  await w.advanceTo(end - 60);
  await w.server.refunds.create({ charge: ch.id, amount: 100 });
  await w.advanceTo(end + 60);
  const before = await w.balance('usd');
  await refused(w.server.refunds.create({ charge: ch.id, amount: 100 }), { status: 400, code: 'charge_not_refundable', param: 'charge', says: /too old to be refunded/ });
  assert.equal(await w.balance('usd'), before);
}

// disputed charges a source and has its payer complain.
async function disputed(w) {
  const ch = await w.charged();
  await w.control('disputes', { id: ch.id, reason: 'product_not_received' });
  const ev = await w.hooks.waitFor('charge.dispute.created', ({ type, data: { object } }) => type === 'charge.dispute.created' && object.charge === ch.id);
  const dispute = ev.data.object;
  await w.hooks.wait('charge.dispute.funds_withdrawn', dispute.id);
  return [ch, dispute];
}

const chargeDisputed = { status: 400, code: 'charge_disputed', param: 'charge' };

export async function disputeWon(w) {
  let [ch, d] = await disputed(w);
  assert.match(d.id, /^dp_/);
  assert.deepEqual([d.amount, d.currency, d.reason, d.status, d.balance_transactions.length], [1099, 'usd', 'product_not_received', 'needs_response', 1]);
  ch = await w.server.charges.retrieve(ch.id, { expand: ['balance_transaction'] });
  const { fee } = ch.balance_transaction;
  assert.deepEqual([ch.disputed, ch.refunded, ch.amount_refunded], [true, false, 0]);
  assert.equal(await w.balance('usd'), -fee);
  await refused(w.server.refunds.create({ charge: ch.id }), chargeDisputed);

  d = await w.server.disputes.update(d.id, { evidence: { product_description: 'tea' }, submit: false });
  assert.deepEqual([d.status, d.evidence.product_description, d.evidence_details.has_evidence], ['needs_response', 'tea', true]);
  d = await w.server.disputes.update(d.id, { evidence: { uncategorized_text: 'It was delivered.' }, submit: true });
  assert.deepEqual([d.status, d.evidence_details.submission_count], ['under_review', 1]);
  await w.control('disputes/close', { id: d.id, outcome: 'won' });
  const ev = await w.hooks.wait('charge.dispute.closed', d.id);
  assert.deepEqual([ev.data.object.status, ev.data.object.balance_transactions.length], ['won', 2]);
  await w.hooks.wait('charge.dispute.funds_reinstated', d.id);
  assert.equal(await w.balance('usd'), 1099 - fee);
  assert.equal((await w.transactions()).reduce((sum, txn) => sum + txn.net, 0), 1099 - fee);
}

export async function disputeLost(w) {
  const [ch, { id }] = await disputed(w);
  const after = await w.balance('usd');
  assert.equal((await w.server.disputes.close(id)).status, 'lost');
  await w.hooks.wait('charge.dispute.closed', id);
  assert.equal(await w.balance('usd'), after);
  const list = await all(w.server.disputes.list({ charge: ch.id }));
  assert.deepEqual(list.map((d) => [d.id, d.status]), [[id, 'lost']]);
  await refused(w.server.disputes.close(id), { status: 400 });
  await refused(w.server.refunds.create({ charge: ch.id }), chargeDisputed);
}

// asked takes $20 with a card whose bank asks about it, and returns the inquiry,
// which moves no money.
async function asked(w, method) {
  const before = await w.balance('usd');
  const pi = await w.server.paymentIntents.create({
    amount: 2000, currency: 'usd', allowed_payment_method_types: ['card'], payment_method: method, confirm: true, return_url: returnURL,
  });
  await w.advance(2);
  const { data: { object: d } } = await w.hooks.waitFor('charge.dispute.created', ({ type, data: { object } }) => type === 'charge.dispute.created' && object.charge === pi.latest_charge);
  assert.deepEqual([d.status, d.amount, d.reason, d.is_charge_refundable, d.balance_transactions, d.payment_method_details.card.case_type],
    ['warning_needs_response', 2000, 'fraudulent', true, [], 'inquiry']);
  const ch = await w.server.charges.retrieve(d.charge, { expand: ['balance_transaction'] });
  assert.deepEqual([ch.disputed, ch.amount_refunded], [true, 0]);
  assert.equal(await w.balance('usd'), before + ch.balance_transaction.net);
  return d;
}

export async function inquiry(w) {
  await w.control('account', { dispute_fee: 1500 });
  const answer = (d, text) => w.server.disputes.update(d.id, { evidence: { uncategorized_text: text }, submit: true });
  const closed = async ({ id }) => {
    const { data: { object: d } } = await w.hooks.wait('charge.dispute.closed', id);
    assert.deepEqual([d.status, d.balance_transactions], ['warning_closed', []]);
    await refused(w.server.disputes.close(id), { status: 400, says: /already closed/ });
  };
  const waiting = await asked(w, 'pm_card_createDisputeInquiry');
  const answered = await answer(waiting, 'It was delivered.');
  assert.deepEqual([answered.status, answered.evidence_details.submission_count], ['warning_under_review', 1]);
  const decided = await asked(w, 'pm_card_createDisputeInquiry');
  assert.equal((await answer(decided, 'winning_evidence')).status, 'warning_closed');
  await closed(decided);

  const { id: method } = await w.server.paymentMethods.create({ type: 'card', card: { token: 'tok_createDisputeInquiry' } });
  const escalated = await asked(w, method);
  const before = await w.balance('usd');
  const dispute = await answer(escalated, 'escalate_inquiry_evidence');
  assert.deepEqual([dispute.status, dispute.is_charge_refundable, dispute.payment_method_details.card.case_type], ['needs_response', false, 'chargeback']);
  assert.deepEqual(dispute.balance_transactions.map((txn) => [txn.amount, txn.fee, txn.net]), [[-2000, 1500, -3500]]);
  await w.hooks.wait('charge.dispute.funds_withdrawn', dispute.id);
  assert.equal(await w.balance('usd'), before - 3500);
  await refused(w.server.refunds.create({ charge: dispute.charge }), chargeDisputed);
  assert.equal((await answer(dispute, 'winning_evidence')).status, 'won');
  await w.hooks.wait('charge.dispute.funds_reinstated', dispute.id);

  assert.equal((await w.server.disputes.retrieve(waiting.id)).status, 'warning_under_review');
  await w.advance(120 * 86400);
  await closed(waiting);
  assert.equal(await w.balance('usd'), before);
  assert.equal((await w.transactions()).reduce((sum, txn) => sum + txn.net, 0), before);
}

export async function report(w) {
  const start = w.dawn + 86400, end = start + 86400;
  await w.charged(); // too early to be in it
  await w.advanceTo(start);
  const ch = await w.charged();
  await w.server.refunds.create({ charge: ch.id, amount: 300 });
  await disputed(w);
  const create = (columns) => w.server.reporting.reportRuns.create({
    report_type: 'balance_change_from_activity.itemized.3', parameters: { interval_start: start, interval_end: end, columns },
  });
  const columns = ['balance_transaction_id', 'net'];
  await refused(create(columns), { status: 400, param: 'parameters[interval_end]', says: /data_available_end/ });
  await w.advanceTo(end);
  await w.charged(); // too late
  assert.ok((await w.server.reporting.reportTypes.retrieve('balance_change_from_activity.itemized.3')).data_available_end >= end);
  await refused(create(['balance_transaction_id', 'nett']), { status: 400, param: 'parameters[columns][1]' });

  let run = await create(columns);
  assert.match(run.id, /^frr_/);
  assert.deepEqual([run.object, run.status, run.result], ['reporting.report_run', 'pending', null]);
  for (let tries = 0; run.status === 'pending' && tries < 10; tries++) {
    await w.advance(1);
    run = await w.server.reporting.reportRuns.retrieve(run.id);
  }
  assert.deepEqual([run.status, run.error, run.result.purpose, run.result.type], ['succeeded', null, 'finance_report_run', 'csv']);
  await w.hooks.wait('reporting.report_run.succeeded', run.id);
  const res = await fetch(run.result.url, { headers: { authorization: `Bearer ${w.sk}` } });
  const [head, ...lines] = (await res.text()).trim().split('\n').map((line) => line.split(',').map((value) => JSON.parse(value))); // each is quoted
  assert.deepEqual([res.status, head], [200, columns]);
  const got = lines.map(([id, net]) => [id, Number(net.replace('.', ''))]); // dollars and cents
  const txns = await all(w.server.balanceTransactions.list({ created: { gte: start, lt: end } }));
  assert.equal(txns.length, 4, 'two charges, a refund, a dispute');
  assert.deepEqual(got.sort(), txns.map((txn) => [txn.id, txn.net]).sort());
  const sum = (nets) => nets.reduce((a, b) => a + b, 0);
  assert.equal(sum(got.map(([, net]) => net)), sum(txns.map(({ net }) => net)));
}

export async function customer(w) {
  const cus = await w.server.customers.create({ email: 'li@example.com', metadata: { shop: '7' } });
  assert.match(cus.id, /^cus_/);
  assert.deepEqual([cus.object, cus.email, cus.metadata], ['customer', 'li@example.com', { shop: '7' }]);
  // A logged-in checkout names the customer and the unattached source.
  const ch = await w.charge(await w.authorized(), { customer: cus.id });
  assert.deepEqual([ch.status, ch.customer], ['succeeded', cus.id]);
  await w.charged();
  assert.deepEqual(ids(await all(w.server.charges.list({ customer: cus.id }))), [ch.id]);
  assert.equal((await w.server.customers.del(cus.id)).deleted, true);
  assert.equal((await w.server.customers.retrieve(cus.id)).deleted, true);
  await refused(w.server.customers.retrieve('cus_00000000000000'), { status: 404, code: 'resource_missing', param: 'id', says: /^No such customer: 'cus_00000000000000'$/ });
}

export async function pendingExpiry(w) {
  const src = await w.source({ metadata: { order: 'C-1' } });
  await w.advance(59 * 60);
  assert.equal((await w.server.sources.retrieve(src.id)).status, 'pending');
  await w.advance(61);
  const ev = await w.hooks.wait('source.canceled', src.id);
  assert.equal(ev.data.object.status, 'canceled');
  assert.deepEqual(ev.data.object.metadata, { order: 'C-1' });
  const age = ev.created - src.created;
  assert.ok(age >= 3600 && age <= 3660, `canceled after ${age} seconds`);
  assert.equal((await w.server.sources.retrieve(src.id)).status, 'canceled');
  const page = await open(src);
  assert.ok(page.status < 500 && !page.body.includes('Authorize Test Payment'), `the page of a canceled source: ${page.status}`);
  await refused(w.charge(src), notChargeable);
  await w.untouched();
}

export async function chargeableExpiry(w) {
  const src = await w.authorized({ metadata: { order: 'D-1' } });
  await w.advance(6 * 3600 - 300);
  assert.equal((await w.server.sources.retrieve(src.id)).status, 'chargeable');
  await w.advance(301);
  const ev = await w.hooks.wait('source.canceled', src.id);
  const got = ev.data.object;
  assert.deepEqual([got.status, got.metadata, got.redirect.status], ['canceled', { order: 'D-1' }, 'succeeded']);
  assert.equal((await w.server.sources.retrieve(src.id)).status, 'canceled');
  await refused(w.charge(src), notChargeable);
  await w.untouched();
  assert.deepEqual(await all(w.server.charges.list()), []);
}

export async function settlementCutoff(w) {
  const at = (hour, minute) => w.dawn + (hour - 9) * 3600 + minute * 60; // in China
  await w.advanceTo(at(22, 0));
  const src = await w.authorized();
  await w.advanceTo(at(23, 44));
  assert.equal((await w.server.sources.retrieve(src.id)).status, 'chargeable');
  await w.advanceTo(at(23, 45));
  const ev = await w.hooks.wait('source.canceled', src.id);
  assert.ok(ev.created >= at(23, 45) && ev.created <= at(23, 46), `canceled at ${new Date(ev.created * 1000).toISOString()}`);
  await refused(w.charge(src), notChargeable);
  await w.untouched();
}

export async function currencies(w) {
  for (const currency of ['aud', 'cad', 'eur', 'gbp', 'hkd', 'jpy', 'nzd', 'sgd', 'usd', 'EUR']) {
    assert.equal((await w.source({ currency })).currency, currency.toLowerCase());
  }
  const ch = await w.charged({ currency: 'jpy' });
  const { balance_transaction: txn } = await w.server.charges.retrieve(ch.id, { expand: ['balance_transaction'] });
  assert.deepEqual([txn.currency, txn.amount, txn.exchange_rate], ['jpy', 1099, null]);
  assert.equal(await w.balance('jpy'), txn.net);
  assert.equal(await w.balance('usd'), 0);
  const { body } = await open(await w.source({ currency: 'jpy' }));
  assert.ok(body.includes('1,099') && !body.includes('10.99'), 'the page does not show 1,099 yen');

  await refused(w.server.sources.create(order({ currency: 'mxn' })), { status: 400, code: 'invalid_currency', says: /^Invalid currency: mxn\. The payment method `alipay` does not support this currency/ });
  await refused(w.server.sources.create(order({ currency: 'xyz' })), { status: 400, param: 'currency', says: /^Invalid currency: xyz/ });
}
