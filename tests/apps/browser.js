// Opens a remote desktop in headless Chromium, looks at its pixels, and uses its mouse and keyboard.
//
//   node browser.js URL FOLDER BACKGROUND WINDOW X,Y TYPED BACKGROUND_AFTER
//
// Waits until the desktop's canvas shows both colours (`rrggbb`), moves the mouse to the desktop's point X,Y, types
// TYPED and Enter, and waits until the background has the last colour. FOLDER takes Chromium's profile, what it prints,
// and on failure a picture of the page (KEEP=1 keeps the test's folder). Speaks the DevTools protocol itself.

'use strict';

const { run, say, until } = require('./chromium.js');

const [url, folder, background, window, point, typed, after] = process.argv.slice(2);

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

run(folder, async (call) => {
  const desktop = async (...colours) => {
    const expression = `(${look})(${JSON.stringify(colours)})`;
    const { result, exceptionDetails } = await call('Runtime.evaluate', { expression, returnByValue: true });
    return exceptionDetails ? { wrong: exceptionDetails.text } : result.value;
  };
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
});
