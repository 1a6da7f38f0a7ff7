// WebSocket echo servers on the ports named as arguments, as `ws` users write them.
//
// `/sink` answers nothing, `/ping` sends a ping every 500 ms, `/push` a text; everywhere else messages come back, and
// the text `close CODE REASON` closes. The handshake's answer says which port served it.

'use strict';

const { WebSocketServer } = require('ws');

for (const port of process.argv.slice(2).map(Number)) {
  const server = new WebSocketServer({ port, maxPayload: 64 << 20 });
  server.on('headers', (headers) => headers.push(`X-Served-By: ${port}`));
  server.on('listening', () => console.log(`listening on ${port}`));
  server.on('connection', (socket, request) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    console.log(`${port} ${request.url}`);
    const timer = path === '/ping' ? setInterval(() => socket.ping('still here'), 500)
      : path === '/push' ? setInterval(() => socket.send('news'), 500) : undefined;
    socket.on('message', (data, binary) => {
      const goodbye = binary ? null : /^close (\d+) (.*)$/.exec(data.toString());
      if (goodbye) socket.close(Number(goodbye[1]), goodbye[2]);
      else if (path !== '/sink') socket.send(data, { binary });
    });
    socket.on('close', (code, reason) => { clearInterval(timer); console.log(`closed ${code} ${reason}`); });
    socket.on('error', (error) => console.log(`error ${error.message}`));
  });
}
