// Headless Chromium, driven by the DevTools protocol: what the tests that look at pages have in common.

'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const WebSocket = require('ws');

const started = Date.now();
const say = (text) => console.log(`${Date.now() - started} ms: ${text}`);

async function until(what, limit, question) {
  let last;
  for (const end = Date.now() + limit; Date.now() < end; await sleep(50)) {
    last = await question();
    if (last && !last.wrong) return last;
  }
  throw new Error(`no ${what} after ${limit} ms; last seen: ${JSON.stringify(last)}`);
}

// Starts it with its profile and what it prints in a folder.
async function launch(folder) {
  const profile = path.join(folder, 'profile');
  const log = fs.openSync(path.join(folder, 'chromium.out'), 'w');
  const chromium = spawn('chromium', [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-extensions',
    '--disable-background-networking', '--disable-component-update', '--no-first-run', '--no-proxy-server', '--mute-audio',
    '--window-size=1000,800', `--user-data-dir=${profile}`, '--remote-debugging-port=0', 'about:blank',
  ], { stdio: ['ignore', log, log] });
  let ended = null;
  chromium.on('error', (error) => { ended = error.message; });
  chromium.on('exit', (code) => { ended = `exit code ${code}`; });
  const file = path.join(profile, 'DevToolsActivePort');
  const text = await until('DevTools port', 30000, () => {
    if (ended) throw new Error(`chromium: ${ended}`);
    return fs.existsSync(file) && fs.readFileSync(file, 'utf8').includes('/') && fs.readFileSync(file, 'utf8');
  });
  const [port, target] = text.trim().split('\n');
  return { chromium, address: `ws://127.0.0.1:${port}${target}` };
}

// A function that calls methods of its first page.
async function connect(address) {
  const socket = new WebSocket(address, { perMessageDeflate: false });
  await new Promise((resolve, reject) => { socket.once('open', resolve); socket.once('error', reject); });
  const waiting = new Map();
  let next = 0;
  let session;
  socket.on('message', (data) => {
    const message = JSON.parse(data);
    if (message.method === 'Runtime.consoleAPICalled') {
      say(`page: ${message.params.args.map((each) => each.value ?? each.description).join(' ')}`);
    }
    const waiter = waiting.get(message.id);
    if (!waiter) return;
    waiting.delete(message.id);
    if (message.error) waiter.reject(new Error(message.error.message));
    else waiter.resolve(message.result);
  });
  const call = (method, params = {}) => new Promise((resolve, reject) => {
    next += 1;
    waiting.set(next, { resolve, reject });
    socket.send(JSON.stringify({ id: next, method, params, sessionId: session }));
  });
  const { targetInfos } = await call('Target.getTargets');
  const { targetId } = targetInfos.find((each) => each.type === 'page');
  session = (await call('Target.attachToTarget', { targetId, flatten: true })).sessionId;
  return call;
}

// Runs a test on a page; on failure FOLDER takes a picture of it, and the log what Chromium printed.
function run(folder, test) {
  const main = async () => {
    const { chromium, address } = await launch(folder);
    say('chromium is up');
    const call = await connect(address);
    try {
      await call('Runtime.enable');
      await call('Page.enable');
      await test(call);
    } catch (error) {
      const picture = await call('Page.captureScreenshot').catch(() => null);
      if (picture) fs.writeFileSync(path.join(folder, 'failure.png'), Buffer.from(picture.data, 'base64'));
      throw error;
    } finally {
      chromium.kill('SIGKILL');
    }
  };
  main().then(() => process.exit(0), (error) => {
    say(`FAILED: ${error.stack}`);
    try { say(fs.readFileSync(path.join(folder, 'chromium.out'), 'utf8').slice(-4000)); } catch { /* never started */ }
    process.exit(1);
  });
}

module.exports = { run, say, until };
