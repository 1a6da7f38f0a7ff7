// An application over TLS: pages that say what was asked for, and WebSockets that echo.
//
//   node ws-tls.js CERTIFICATE KEY PORT...

'use strict';

const fs = require('node:fs');
const https = require('node:https');
const { WebSocketServer } = require('ws');

const [certificate, key, ...ports] = process.argv.slice(2);
for (const port of ports.map(Number)) {
  const server = https.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }, (request, response) => {
    response.setHeader('X-Served-By', port);
    response.end(`${request.method} ${request.url}`);
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('headers', (headers) => headers.push(`X-Served-By: ${port}`));
  sockets.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
  server.listen(port, () => console.log(`listening on ${port}`));
}
