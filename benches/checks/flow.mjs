// The same flow in plain Node: no package, a connection for each flow, cookies and the redirect by hand.
import http from 'node:http';
import https from 'node:https';
import fs from 'node:fs';

const [base, flows, width, ca] = process.argv.slice(2);
const lib = base.startsWith('https') ? https : http;
const trusted = ca ? fs.readFileSync(ca) : undefined;

function ask(agent, method, path, headers, body) {
  return new Promise((resolve, reject) => {
    const request = lib.request(new URL(path, base), { method, agent, headers, ca: trusted }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString() }));
      answer.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function flow() {
  const agent = new lib.Agent({ keepAlive: true, maxSockets: 1, maxCachedSessions: 0 });
  const page = await ask(agent, 'GET', '/login', {});
  const token = /name="csrf_token" value="([^"]*)"/.exec(page.text)[1];
  const cookie = page.headers['set-cookie'][0].split(';')[0];
  const body = new URLSearchParams({ csrf_token: token, username: 'probe', password: 'correct horse' }).toString();
  const sent = await ask(agent, 'POST', '/login', { cookie, 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length }, body);
  const session = sent.headers['set-cookie'][0].split(';')[0];
  const home = await ask(agent, 'GET', sent.headers.location, { cookie: `${cookie}; ${session}` });
  if (!home.text.includes('id="user"')) throw new Error('not logged in');
  agent.destroy();
}

let left = Number(flows);
const before = process.memoryUsage.rss();
let most = before;
const timer = setInterval(() => { most = Math.max(most, process.memoryUsage.rss()); }, 50);
await Promise.all(Array.from({ length: Number(width) }, async () => { while (left-- > 0) await flow(); }));
clearInterval(timer);
most = Math.max(most, process.memoryUsage.rss());
const used = process.resourceUsage();
console.log(`${used.userCPUTime + used.systemCPUTime} ${most - before}`);
