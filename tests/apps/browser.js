// Opens a remote desktop in headless Chromium, looks at its pixels, and uses its mouse and keyboard.
//
//   node browser.js URL FOLDER BACKGROUND WINDOW X,Y TYPED BACKGROUND_AFTER
//
// Waits until the desktop's canvas shows both colours (`rrggbb`), moves the mouse to the desktop's point X,Y, types
// TYPED and Enter, and waits until the background has the last colour. FOLDER takes Chromium's profile, what it prints,
// and on failure a picture of the page (KEEP=1 keeps the test's folder). Speaks the DevTools protocol itself.

'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const WebSocket = require('ws');

const [url, folder, background, window, point, typed, after] = process.argv.slice(2);
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

async function launch() {
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

// Runs in the page: how many pixels of the desktop have each of the colours, and where it is on the page.
function look(colours) {
  const canvas = document.querySelector('#noVNC_container canvas, canvas');
  if (!canvas || !canvas.width || !canvas.height) return { wrong: 'no canvas', title: document.title };
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const counts = colours.map(() => 0);
  const wanted = colours.map((colour) => parseInt(colour, 16));
  for (let at = 0; at < data.length; at += 4) {
    const index = wanted.indexOf((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
    if (index >= 0) counts[index] += 1;
  }
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return { width: canvas.width, height: canvas.height, counts, area: { left, top, width, height } };
}

async function main() {
  const { chromium, address } = await launch();
  say('chromium is up');
  const call = await connect(address);
  const desktop = async (...colours) => {
    const expression = `(${look})(${JSON.stringify(colours)})`;
    const { result, exceptionDetails } = await call('Runtime.evaluate', { expression, returnByValue: true });
    return exceptionDetails ? { wrong: exceptionDetails.text } : result.value;
  };
  try {
    await call('Runtime.enable');
    await call('Page.enable');
    const { errorText } = await call('Page.navigate', { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    const seen = await until('desktop', 30000, async () => {
      const view = await desktop(background, window);
      const pixels = view.width * view.height;
      if (!view.wrong && !(view.counts[0] > pixels / 4 && view.counts[1] > pixels / 50)) view.wrong = 'colours';
      return view;
    });
    say(`desktop of ${seen.width}x${seen.height}: ${seen.counts[0]} px #${background}, ${seen.counts[1]} px #${window}`);
    const [x, y] = point.split(',').map(Number);
    const at = {
      x: Math.round(seen.area.left + (x * seen.area.width) / seen.width),
      y: Math.round(seen.area.top + (y * seen.area.height) / seen.height),
    };
    await call('Input.dispatchMouseEvent', { type: 'mouseMoved', x: at.x + 5, y: at.y + 5 });
    await call('Input.dispatchMouseEvent', { type: 'mouseMoved', ...at });
    for (const type of ['mousePressed', 'mouseReleased']) {
      await call('Input.dispatchMouseEvent', { type, ...at, button: 'left', clickCount: 1 });
    }
    for (const key of [...typed, 'Enter']) {
      const text = key === 'Enter' ? '\r' : key;
      const code = key === 'Enter' ? 'Enter' : /\d/.test(key) ? `Digit${key}` : `Key${key.toUpperCase()}`;
      const windowsVirtualKeyCode = key === 'Enter' ? 13 : key.toUpperCase().charCodeAt(0);
      await call('Input.dispatchKeyEvent', { type: 'keyDown', key, code, text, windowsVirtualKeyCode });
      await call('Input.dispatchKeyEvent', { type: 'keyUp', key, code, windowsVirtualKeyCode });
    }
    say(`typed ${typed}`);
    const changed = await until('change of colour', 15000, async () => {
      const view = await desktop(after, background);
      if (!view.wrong && !(view.counts[0] > (view.width * view.height) / 4)) view.wrong = 'colours';
      return view;
    });
    say(`the background is #${after} now: ${changed.counts[0]} px`);
  } catch (error) {
    const picture = await call('Page.captureScreenshot').catch(() => null);
    if (picture) fs.writeFileSync(path.join(folder, 'failure.png'), Buffer.from(picture.data, 'base64'));
    throw error;
  } finally {
    chromium.kill('SIGKILL');
  }
}

main().then(() => process.exit(0), (error) => {
  say(`FAILED: ${error.stack}`);
  try { say(fs.readFileSync(path.join(folder, 'chromium.out'), 'utf8').slice(-4000)); } catch { /* never started */ }
  process.exit(1);
});
