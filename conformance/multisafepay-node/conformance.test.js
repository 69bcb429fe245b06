// Drives a running ducat with MultiSafepay's Node library, as a merchant's
// program would. The scenarios are listed in ../MULTISAFEPAY.md.
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { serve, within } from '../node/server.js';

const require = createRequire(import.meta.url);
const axios = require('axios');
const { default: MultiSafepayClient } = require('@multisafepay/api-wrapper');

const shop = 'https://shop.example/checkout';
const card = { card_number: '4111111111111111', card_holder_name: 'Simon Smit', card_expiry_date: '3012', card_cvc: '123' };

// dial makes the library's client and points it here: the library takes its
// host from a constant, and makes its HTTP clients with axios.create.
function dial(url, key) {
  const create = axios.create;
  axios.create = (config) => create({ ...config, baseURL: `${url}/v1/json/` });
  try {
    return new MultiSafepayClient(key, { environment: 'test' });
  } finally {
    axios.create = create;
  }
}

// receive listens for notifications and checks their signatures; the library
// has no verifier of its own.
async function receive(t, key) {
  const got = [];
  const waiting = [];
  const server = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    const [ts, sig] = Buffer.from(req.headers.auth, 'base64').toString().split(':');
    const want = createHmac('sha512', key).update(`${ts}:${body}`).digest('hex');
    got.push({ valid: sig === want, query: new URL(req.url, 'http://x').searchParams, order: JSON.parse(body) });
    res.end('OK');
    waiting.splice(0).forEach((wake) => wake());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return {
    url: `http://127.0.0.1:${server.address().port}/notify?type=notification`,
    async wait(id, status) {
      for (;;) {
        const found = got.find((n) => n.order.order_id === id && n.order.status === status);
        if (found) {
          assert.ok(found.valid, `the signature of ${JSON.stringify(found.order)}`);
          return found;
        }
        await within(new Promise((wake) => waiting.push(wake)), `a notification that ${id} is ${status}`);
      }
    },
  };
}

class World {
  static async create(t, url) {
    const w = new World();
    w.url = url;
    w.key = randomBytes(20).toString('hex');
    w.client = dial(url, w.key);
    w.hooks = await receive(t, w.key);
    return w;
  }

  order(change = {}) {
    return {
      type: 'redirect', order_id: `my-order-${randomBytes(4).toString('hex')}`, gateway: 'ALIPAY', currency: 'EUR', amount: '1000', description: 'Test order description',
      payment_options: { notification_url: this.hooks.url, notification_method: 'POST', redirect_url: `${shop}?type=redirect`, cancel_url: `${shop}?type=cancel` },
      customer: { locale: 'cn_CN' }, ...change,
    };
  }

  // ok is the data of an answer that has to be a success.
  ok(answer) {
    assert.equal(answer.success, true, JSON.stringify(answer));
    return answer.data;
  }

  async create(change) { return this.ok(await this.client.orders.create(this.order(change))); }

  async get(id) { return this.ok(await this.client.orders.get(encodeURIComponent(id))); }

  async paid(change) {
    const order = await this.create({ type: 'direct', gateway: 'VISA', gateway_info: card, ...change });
    assert.equal(`${order.status}/${order.financial_status}`, 'completed/completed');
    return order;
  }

  async advance(seconds) {
    const res = await fetch(`${this.url}/_ducat/v1/clock/advance`, { method: 'POST', headers: { api_key: this.key }, body: JSON.stringify({ seconds }) });
    assert.equal(res.status, 200, await res.text());
  }

  // submit posts a form of a page and returns where it leads.
  async submit(url, fields) {
    assert.equal((await fetch(url)).status, 200);
    const res = await fetch(url, { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' });
    assert.equal(res.status, 303, await res.text());
    return new URL(res.headers.get('location'), url).href;
  }
}

const scenarios = {
  async catalogue(w) {
    assert.ok(w.ok(await w.client.gateways.get()).some((g) => g.id === 'ALIPAY'));
    assert.equal(w.ok(await w.client.gateways.get('IDEAL')).description, 'iDEAL');
    assert.ok(w.ok(await w.client.issuers.get()).length > 0);
  },

  async redirect(w) {
    const { order_id: id, payment_url: link } = await w.create();
    assert.match(link, /\/connect\/[A-Za-z0-9]{35}\/\?lang=[a-z]{2}_[A-Z]{2}$/);
    const wallet = await w.submit(link, { gateway: 'ALIPAY' });
    assert.equal((await w.get(id)).status, 'initialized');
    assert.equal(await w.submit(wallet, { scenario: 'completed' }), `${shop}?type=redirect&transactionid=${id}`);
    assert.equal((await w.get(id)).status, 'completed');
    await w.advance(3);
    const { query } = await w.hooks.wait(id, 'completed');
    assert.equal(query.get('transactionid'), id);
  },

  async direct(w) {
    const order = await w.create({
      type: 'direct', manual: false,
      customer: { locale: 'cn_CN', ip_address: '123.123.123.123', forwarded_ip: '', first_name: 'Simon', last_name: 'Smit', country: 'NL', phone: '0208500500' },
    });
    assert.equal(`${order.status}/${order.financial_status}`, 'initialized/initialized');
    assert.deepEqual(order.customer, { locale: 'cn_CN', first_name: 'Simon', last_name: 'Smit', country: 'NL', country_name: 'The Netherlands', phone1: '0208500500' });
    assert.deepEqual(order.payment_details, {
      type: 'ALIPAY', account_holder_name: null, account_id: '', external_transaction_id: null, recurring_id: null, recurring_model: null,
    });
    assert.deepEqual(order.costs, [{ transaction_id: order.transaction_id, amount: 1000, description: '', type: 'SYSTEM' }]);
    assert.equal(await w.submit(order.payment_url, { scenario: 'cancelled' }), `${shop}?type=cancel&transactionid=${order.order_id}`);
    assert.equal((await w.get(order.order_id)).status, 'void');
    await w.advance(3);
    await w.hooks.wait(order.order_id, 'void');
  },

  async lenient(w) {
    for (const id of ['007', '1.50', 'a b.c_d-é/茶', '0']) {
      const description = 'Tea & biscuits, café/茶 "quoted" <3';
      const order = await w.create({ type: 'direct', order_id: id, description });
      assert.equal(order.order_id, id);
      assert.equal(order.amount, 1000);
      assert.equal((await w.get(id)).description, description);
    }
  },

  async ship(w) {
    const { order_id: id } = await w.paid();
    assert.deepEqual(w.ok(await w.client.orders.update(id, { status: 'shipped', tracktrace_code: '3SXXXX', carrier: 'PostNL' })), {});
    const order = await w.get(id);
    assert.equal(order.status, 'shipped');
    assert.equal(order.tracktrace_code, '3SXXXX');
  },

  async cancel(w) {
    const { order_id: id, payment_url: link } = await w.create();
    w.ok(await w.client.orders.update(id, { status: 'cancelled', exclude_order: 1 }));
    assert.equal((await w.get(id)).status, 'cancelled');
    assert.equal((await fetch(link)).status, 410);
  },

  async refund(w) {
    const { order_id: id, transaction_id: psp } = await w.paid();
    for (const [amount, status] of [[100, 'partial_refunded'], ['900', 'refunded']]) {
      const refund = w.ok(await w.client.refunds.create(id, { currency: 'EUR', amount, description: 'Refund' }));
      assert.equal(refund.transaction_id, psp);
      assert.ok(Number.isSafeInteger(refund.refund_id));
      assert.equal((await w.get(id)).status, status);
    }
    assert.equal((await w.get(id)).amount_refunded, 1000);
  },

  async errors(w) {
    // The library returns errors instead of throwing them.
    const code = async (call) => (await call).error_code;
    assert.deepEqual(await w.client.orders.get('foobar'), { error_code: 1006, error_info: 'Invalid transaction ID' });
    assert.equal(await code(w.client.orders.update('foobar', { status: 'shipped' })), 1006);
    assert.equal(await code(w.client.orders.create(w.order({ amount: 0 }))), 1001);
    assert.equal(await code(w.client.orders.create(w.order({ gateway: 'SHELLS' }))), 1023);
    const { order_id: id } = await w.paid();
    assert.equal(await code(w.client.orders.create(w.order({ order_id: id }))), 1006);
    assert.equal(await code(dial(w.url, 'short-key').orders.get('x')), 1032);
  },
};

const dir = await mkdtemp(join(tmpdir(), 'ducat-conformance-'));
test.after(() => rm(dir, { recursive: true }));

test('sqlite', { concurrency: 4 }, async (t) => {
  const server = await serve(process.env.DUCAT_BIN, `sqlite:${join(dir, 'ducat.db')}`);
  let failed = false;
  await Promise.all(Object.entries(scenarios).map(([name, run]) => t.test(name, async (t) => {
    try {
      await run(await World.create(t, server.url));
      if (process.env.DUCAT_RAN) await appendFile(process.env.DUCAT_RAN, `${name}\n`);
    } catch (err) {
      failed = true;
      throw err;
    }
  })));
  if (failed) t.diagnostic(`what the server said beside its request log:\n${server.log()}`);
  await server.stop();
});
