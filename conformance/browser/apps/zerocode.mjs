// A merchant's program as it is in production: the library with its defaults.
import Stripe from "stripe";

const stripe = new Stripe(process.env.KEY);
const source = await stripe.sources.create({ type: "alipay", amount: 1099, currency: "usd", redirect: { return_url: "https://shop.example/return" } });
const intent = await stripe.paymentIntents.create({ amount: 5099, currency: "eur", automatic_payment_methods: { enabled: true } });
const error = await stripe.charges.create({ amount: 1, currency: "usd", source: "src_none" }).catch((e) => e.type);
console.log(JSON.stringify({ source: source.id, status: source.status, intent: intent.id, error }));
