// Uses JupyterLab in headless Chromium as a person would: opens it, computes 6*7 in a notebook, types into a terminal.
//
//   node jupyter.js URL FOLDER MADE
//
// MADE is a file that the terminal is told to make. FOLDER takes Chromium's profile, what it prints, and on failure a
// picture of the page (KEEP=1 keeps the test's folder).

'use strict';

const fs = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');
const { run, say, until } = require('./chromium.js');

const [url, folder, made] = process.argv.slice(2);
const LONG = 60000;

run(folder, async (call) => {
  // What an expression is in the page.
  const ask = async (expression) => {
    const { result, exceptionDetails } = await call('Runtime.evaluate', { expression, returnByValue: true });
    return exceptionDetails ? { wrong: exceptionDetails.text || 'an exception' } : result.value;
  };
  // Clicks the middle of what a selector finds, once it is there and seen.
  const click = async (what, selector) => {
    const at = await until(what, LONG, async () => (await ask(`(() => {
      const found = [...document.querySelectorAll(${JSON.stringify(selector)})].find((each) => each.checkVisibility());
      if (!found) return { wrong: document.title || 'a page without a title' };
      const { left, top, width, height } = found.getBoundingClientRect();
      if (!(width > 0 && height > 0)) return { wrong: 'it has no size yet' };
      return { x: left + width / 2, y: top + height / 2 };
    })()`)) ?? { wrong: 'the page goes elsewhere' });
    for (const type of ['mouseMoved', 'mousePressed', 'mouseReleased']) {
      await call('Input.dispatchMouseEvent', { type, ...at, button: type === 'mouseMoved' ? 'none' : 'left', clickCount: 1 });
    }
  };
  const enter = async (modifiers) => {
    const key = { key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13, modifiers };
    await call('Input.dispatchKeyEvent', { type: 'keyDown', text: '\r', ...key });
    await call('Input.dispatchKeyEvent', { type: 'keyUp', ...key });
  };

  const { errorText } = await call('Page.navigate', { url });
  if (errorText) throw new Error(`${url}: ${errorText}`);
  await click('the launcher\'s notebook', '.jp-LauncherCard[data-category="Notebook"]');
  await until('idle kernel', LONG, () => ask(`(() => {
    const indicator = document.querySelector('.jp-Notebook-ExecutionIndicator');
    return indicator?.dataset.status === 'idle' || { wrong: indicator?.dataset.status };
  })()`));
  say('the kernel is idle');
  // While the page is still arranging itself, it forgets what was typed.
  const answer = await until('answer of the kernel', LONG, async () => {
    await click('the first cell', '.jp-Notebook .jp-CodeCell .cm-content');
    if (await ask(`document.querySelector('.jp-Notebook .jp-CodeCell .cm-content').innerText.trim() === ''`)) {
      await call('Input.insertText', { text: '6*7' });
    }
    await enter(8);
    for (let tries = 0; tries < 40; tries += 1) {
      const seen = await ask(`document.querySelector('.jp-OutputArea-executeResult pre')?.textContent.trim()`);
      if (seen) return seen;
      await sleep(100);
    }
    return { wrong: await ask(`document.querySelector('.jp-Notebook')?.innerText`) };
  });
  if (answer !== '42') throw new Error(`6*7 is ${answer}`);
  say(`6*7 is ${answer}`);

  await click('a new launcher', '[data-command="launcher:create"]');
  await click('the launcher\'s terminal', '.jp-LauncherCard[data-category="Other"]');
  // What is typed before the shell has drawn its prompt may be lost.
  await until('what the command makes', LONG, async () => {
    await click('the terminal', '.jp-Terminal .xterm-screen');
    await call('Input.insertText', { text: `touch ${made}` });
    await enter(0);
    await sleep(2000);
    return fs.existsSync(made) || { wrong: await ask(`document.querySelector('.jp-Terminal')?.innerText`) };
  });
  say('the terminal obeys');
});
