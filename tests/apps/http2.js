// Opens a page over HTTP/2 in headless Chromium and reads what became of its requests and its WebSocket.
//
//   node http2.js URL FOLDER EXPECTED
//
// FOLDER takes Chromium's profile and what it prints. Waits until the page's element `seen` says EXPECTED.

'use strict';

const { run, until } = require('./chromium.js');

const [url, folder, expected] = process.argv.slice(2);

run(folder, async (call) => {
  await call('Security.setIgnoreCertificateErrors', { ignore: true });
  const { errorText } = await call('Page.navigate', { url });
  if (errorText) throw new Error(`${url}: ${errorText}`);
  const expression = "document.getElementById('seen')?.textContent";
  await until('page', 30000, async () => {
    const { result } = await call('Runtime.evaluate', { expression, returnByValue: true });
    return { wrong: result.value !== expected, seen: result.value };
  });
});
