// An origin that names itself in links, redirects and cookies, and echoes on WebSockets: node links.js PORT

'use strict';

const http = require('node:http');
const { WebSocketServer } = require('ws');

const port = Number(process.argv[2]);
const server = http.createServer((request, response) => {
  const self = `http://127.0.0.1:${port}`;
  if (request.url === '/redirect') {
    response.writeHead(302, { Location: `${self}/x?y=1`, 'Set-Cookie': 'a=b; Domain=far.example; Path=/' });
    response.end();
    return;
  }
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
  response.end(`<p>host=${request.headers.host} url=${request.url} for=${request.headers['x-forwarded-for']}</p>
<a href="${self}/a">a</a> <form action='${self}/b'></form> <a href="http://other.example/c">c</a>\n`);
});
new WebSocketServer({ server }).on('connection', (socket) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
});
server.listen(port, '127.0.0.1');
