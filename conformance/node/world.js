// One merchant's sandbox and the programs around it: the merchant's server, a
// browser with the publishable key, a webhook receiver, a payer.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import Stripe from 'stripe';
import { within } from './server.js';

// returnURL is where payers are sent in scenarios that do not care. Nothing
// listens there: the payer below does not follow redirects.
export const returnURL = 'https://shop.example/checkout/return?cart=77';

export const apiVersion = Stripe.API_VERSION;

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
export const random = (n) => Array.from({ length: n }, () => base62[randomInt(62)]).join('');

export function dial(base, key, options = {}) {
  const { protocol, hostname, port } = new URL(base);
  return new Stripe(key, {
    protocol: protocol.slice(0, -1), host: hostname, port, telemetry: false,
    maxNetworkRetries: 0, // a failure that goes away is a failure
    ...options,
  });
}

// order returns the parameters of an ordinary source.
export const order = (change = {}) => ({ type: 'alipay', amount: 1099, currency: 'usd', redirect: { return_url: returnURL }, ...change });

export class World {
  // t is the node:test context; what is opened is closed with it.
  static async create(t, base) {
    const w = new World();
    const suffix = random(24);
    Object.assign(w, { t, base, sk: `sk_test_${suffix}`, pk: `pk_test_${suffix}` });
    w.server = dial(base, w.sk);
    w.client = dial(base, w.pk);
    const now = new Date();
    // Nine in the morning in China, tomorrow.
    w.dawn = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1, 1) / 1000;
    await w.advanceTo(w.dawn);
    w.hooks = await Receiver.create(t);
    w.endpoint = await w.register(w.hooks, ['*']);
    return w;
  }

  // register subscribes a receiver through the API.
  async register(receiver, types, more = {}) {
    const endpoint = await this.server.webhookEndpoints.create({ url: receiver.url, enabled_events: types, ...more });
    receiver.secret = endpoint.secret;
    return endpoint;
  }

  // control calls the control API.
  async control(path, body) {
    const res = await fetch(`${this.base}/_ducat/v1/${path}`, {
      method: 'POST', headers: { authorization: `Bearer ${this.sk}`, 'content-type': 'application/json' }, body: JSON.stringify(body),
    });
    const answer = await res.text();
    assert.equal(res.status, 200, `POST ${path} ${JSON.stringify(body)}: ${res.status} ${answer}`);
    return JSON.parse(answer);
  }

  advance(seconds) { return this.control('clock/advance', { seconds }); }

  advanceTo(unix) { return this.control('clock/advance', { to: new Date(unix * 1000).toISOString().replace('.000Z', 'Z') }); }

  // get makes a request without the library, for what it does not show.
  async get(key, path, headers = {}) {
    const res = await fetch(this.base + path, { headers: { authorization: `Basic ${btoa(`${key}:`)}`, ...headers } });
    return { status: res.status, headers: res.headers, body: await res.json() };
  }

  // source creates a source that must be accepted.
  async source(change) {
    const src = await this.server.sources.create(order(change));
    assert.equal(src.status, 'pending');
    return src;
  }

  // authorized creates a source, authorizes it and waits for the webhook, moving
  // the clock rather than waiting for the wallet to confirm.
  async authorized(change) {
    const src = await this.source(change);
    await pay(src, 'authorize');
    await this.advance(2);
    await this.hooks.wait('source.chargeable', src.id);
    return this.server.sources.retrieve(src.id);
  }

  // charged goes all the way.
  async charged(change) {
    const ch = await this.charge(await this.authorized(change));
    assert.equal(ch.status, 'succeeded');
    assert.equal(ch.paid, true);
    return ch;
  }

  charge(src, change = {}, options = undefined) {
    return this.server.charges.create({ amount: src.amount, currency: src.currency, source: src.id, ...change }, options);
  }

  // balance returns what the merchant has in a currency, pending and available.
  async balance(currency) {
    const b = await this.server.balance.retrieve();
    return [...b.pending, ...b.available].filter((part) => part.currency === currency).reduce((sum, part) => sum + part.amount, 0);
  }

  // transactions returns all balance transactions, newest first.
  transactions() { return all(this.server.balanceTransactions.list()); }

  // untouched asserts that no money came in or went out.
  async untouched() {
    assert.equal(await this.balance('usd'), 0, 'balance');
    assert.deepEqual(await this.transactions(), [], 'balance transactions');
    assert.deepEqual(await all(this.server.refunds.list()), [], 'refunds');
  }
}

export const all = (list) => list.autoPagingToArray({ limit: 10_000 });

export const ids = (items) => items.map((item) => item.id);

// open visits a source's page as a browser without JavaScript would, and shows
// where it would go next when that is somewhere else.
export async function open(src) {
  let url = src.redirect.url;
  for (let hops = 0; ; hops++) {
    const res = await fetch(url, { redirect: 'manual' });
    const body = await res.text();
    const location = res.headers.get('location');
    const here = location && URL.canParse(location, url) && new URL(location, url).host === new URL(url).host;
    if (!here || hops > 5) return { url, status: res.status, headers: res.headers, location, body };
    url = new URL(location, url).href;
  }
}

// pay opens the page, posts a decision to it, and returns the Location of the
// answer after checking what must always be true of it.
export async function pay(src, decision) {
  const page = await open(src);
  assert.equal(page.status, 200, `the page of ${src.id}: ${page.body}`);
  const location = await decide(page.url, decision);
  const query = new URL(location).searchParams;
  for (const [name, want] of Object.entries({ source: src.id, livemode: 'false', client_secret: src.client_secret })) {
    assert.deepEqual(query.getAll(name), [want], `${name} in ${location}`);
  }
  return location;
}

// decide posts a decision to a page, and returns the Location of the answer.
export async function decide(page, decision, more = {}) {
  const res = await fetch(page, { method: 'POST', body: new URLSearchParams({ decision, ...more }), redirect: 'manual' });
  assert.equal(res.status, 303, `posting ${decision}: ${await res.text()}`);
  return res.headers.get('location');
}

const classes = {
  api_error: Stripe.errors.StripeAPIError,
  card_error: Stripe.errors.StripeCardError,
  idempotency_error: Stripe.errors.StripeIdempotencyError,
  invalid_request_error: Stripe.errors.StripeInvalidRequestError,
};

// refused awaits a call that must fail in exactly this way, and returns the
// error. says is matched with the message.
export async function refused(call, { status, type = 'invalid_request_error', code, param, says = /./, is = classes[type] }, what = '') {
  const err = await call.then((v) => assert.fail(`${what || 'the call'}: accepted (${v?.id}), want a refusal with ${type} ${code ?? ''}`), (e) => e);
  if (!(err instanceof Stripe.errors.StripeError)) throw err;
  assert.deepEqual({ status: err.statusCode, type: err.rawType, code: err.code, param: err.param }, { status, type, code, param }, `${what}: ${err.message}`);
  assert.equal(err.constructor.name, is.name, `${what}: class of the error`);
  assert.match(err.message, says, what);
  assert.match(err.requestId, /^req_/, what);
  return err;
}

// Receiver is a merchant's webhook endpoint.
export class Receiver {
  static async create(t) {
    const r = new Receiver();
    Object.assign(r, { secret: '', events: [], raw: new Map(), waiting: new Set(), on: {}, failures: [], down: null });
    const server = createServer((req, res) => r.receive(req, res));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    r.url = `http://127.0.0.1:${server.address().port}/webhooks`;
    t.after(() => {
      server.closeAllConnections();
      server.close();
      assert.deepEqual(r.failures, [], 'deliveries');
    });
    return r;
  }

  async receive(req, res) {
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    let ev;
    try {
      ev = Stripe.webhooks.constructEvent(body, req.headers['stripe-signature'], this.secret);
      assert.match(req.headers['content-type'], /^application\/json/);
      assert.match(req.headers['user-agent'], /Stripe/);
    } catch (err) {
      this.failures.push(`${err.message}\n${req.headers['stripe-signature']}\n${body}`);
      res.writeHead(400).end();
      return;
    }
    if (this.down) {
      res.writeHead(500).end();
      this.down();
      this.down = null;
      return;
    }
    try {
      await this.on[ev.type]?.(ev);
    } finally {
      this.events.push(ev);
      this.raw.set(ev, { body, signature: req.headers['stripe-signature'] });
      for (const look of this.waiting) look(ev);
      res.end();
    }
  }

  // handle has fn called inside the handler, before the delivery is
  // acknowledged, and resolves to what it gave.
  handle(type, fn) {
    return within(new Promise((resolve, reject) => {
      this.on[type] = (ev) => fn(ev).then(resolve, reject);
    }), `handling ${type}`);
  }

  // outage has the next delivery answered with 500, and resolves when it was.
  outage() {
    return within(new Promise((resolve) => { this.down = resolve; }), 'a delivery to fail');
  }

  // wait resolves to the first delivery of a type whose object has the id.
  wait(type, id, match = () => true) {
    return this.waitFor(`${type} for ${id}`, (ev) => ev.type === type && ev.data.object.id === id && match(ev.data.object));
  }

  // delivery is wait that resolves to the body as it came, and its signature.
  async delivery(type, id) {
    return this.raw.get(await this.wait(type, id));
  }

  waitFor(what, wanted) {
    const known = this.events.find(wanted);
    if (known) return Promise.resolve(known);
    let look;
    const arrival = new Promise((resolve) => {
      look = (ev) => wanted(ev) && resolve(ev);
      this.waiting.add(look);
    });
    return within(arrival, `delivery of ${what}`).finally(() => this.waiting.delete(look));
  }

  types() { return this.events.map((ev) => ev.type); }
}

// freePort returns a port that was free a moment ago.
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

// Gateway stands between a library and the server, and loses answers.
export class Gateway {
  static async create(w) {
    const g = new Gateway();
    Object.assign(g, { w, lose: 0, keys: [] });
    const server = createServer((req, res) => g.forward(req, res).catch((err) => res.destroy(err)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    g.url = `http://127.0.0.1:${server.address().port}`;
    w.t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return g;
  }

  dial(options) { return dial(this.url, this.w.sk, options); }

  // forward has a request executed; whether the library hears of it is another
  // matter.
  async forward(req, res) {
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    this.keys.push(req.headers['idempotency-key']);
    const { host, connection, 'content-length': length, ...headers } = req.headers;
    const answer = await fetch(this.w.base + req.url, { method: req.method, headers, body: chunks.length ? Buffer.concat(chunks) : undefined });
    const body = Buffer.from(await answer.arrayBuffer());
    if (this.lose > 0) {
      this.lose--;
      req.socket.destroy();
      return;
    }
    res.writeHead(answer.status, [...answer.headers].filter(([name]) => !['content-length', 'transfer-encoding', 'connection'].includes(name)).flat());
    res.end(body);
  }
}
