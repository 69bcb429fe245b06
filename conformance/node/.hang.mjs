import { World, pay, Receiver } from '/work/main/conformance/node/world.js';
import { serve } from '/work/main/conformance/node/server.js';
import { createServer } from 'node:http';
const after=[]; const t={after:(f)=>after.push(f)};
const s = await serve('/tmp/ducat-now','sqlite:/tmp/hang-'+Date.now()+'.db');
const hang = createServer(()=>{}).listen(0,'127.0.0.1'); await new Promise(r=>hang.on('listening',r));
const a = await World.create(t,s.url), b = await World.create(t,s.url);
await a.server.webhookEndpoints.create({url:`http://127.0.0.1:${hang.address().port}/`, enabled_events:['*']});
for (let i=0;i<3;i++){ const x=await b.source(); const t0=Date.now(); await pay(x,'decline'); await b.hooks.wait('source.failed',x.id); console.log('before', Date.now()-t0,'ms'); }
for (let i=0;i<Number(process.argv[2]??30);i++){ const x=await a.source(); await pay(x,'decline'); }
for (let i=0;i<3;i++){ const x=await b.source(); const t0=Date.now(); await pay(x,'decline'); await b.hooks.wait('source.failed',x.id); console.log('with a hanging neighbour', Date.now()-t0,'ms'); }
const t1=Date.now(); const x=await a.source(); await pay(x,'decline'); await a.hooks.wait('source.failed',x.id); console.log("same world's good endpoint", Date.now()-t1,'ms');
const t2=Date.now(); await a.advance(3600); console.log('advance in the world with the hanging endpoint', Date.now()-t2,'ms');
const t3=Date.now(); await s.stop().catch(e=>console.log('stop', e.message.slice(0,200))); console.log('stop', Date.now()-t3,'ms');
process.exit();
