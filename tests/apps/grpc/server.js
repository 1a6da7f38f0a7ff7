// A gRPC server: node server.js PORT [CERTIFICATE KEY]. Says `ready` when it listens.
'use strict';

const fs = require('node:fs');
const grpc = require('@grpc/grpc-js');
const service = require('./service.js');

const [port, certificate, key] = process.argv.slice(2);
let cancelled = 0;

const trailers = (entries) => {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(entries)) metadata.set(name, value);
  return metadata;
};

const server = new grpc.Server({ 'grpc.max_receive_message_length': -1 });
server.addService(service, {
  unary(call, callback) {
    call.sendMetadata(trailers({ 'x-first': `got ${call.metadata.get('x-asked')}` }));
    callback(null, call.request, trailers({ 'x-last': String(call.request.length), 'x-binary-bin': Buffer.from([0, 255]) }));
  },
  fail(call, callback) {
    callback({ code: grpc.status.NOT_FOUND, details: 'no such thing: 100 %', metadata: trailers({ 'x-why': 'asked to' }) });
  },
  never(call) {
    call.on('cancelled', () => { cancelled += 1; });
  },
  down(call) {
    for (let at = 0; at < 300; at += 1) call.write(Buffer.from(`${call.request}-${at}`));
    call.end(trailers({ 'x-last': 'down' }));
  },
  up(call, callback) {
    let length = 0;
    let count = 0;
    call.on('data', (data) => { length += data.length; count += 1; });
    call.on('end', () => callback(null, Buffer.from(`${count} ${length}`)));
  },
  both(call) {
    call.on('data', (data) => call.write(data));
    call.on('cancelled', () => { cancelled += 1; });
    call.on('end', () => call.end(trailers({ 'x-last': 'both' })));
  },
  breaks(call) {
    call.write(Buffer.from('one'));
    setTimeout(() => call.emit('error', { code: grpc.status.DATA_LOSS, details: 'broke off' }), 50);
  },
  cancelled(call, callback) {
    callback(null, Buffer.from(String(cancelled)));
  },
});

const credentials = certificate
  ? grpc.ServerCredentials.createSsl(null, [
    { cert_chain: fs.readFileSync(certificate), private_key: fs.readFileSync(key) },
  ])
  : grpc.ServerCredentials.createInsecure();
server.bindAsync(`127.0.0.1:${port}`, credentials, (error) => {
  if (error) throw error;
  console.log('ready');
});
// Goes away as servers do that are replaced: tells its clients, and ends what is under way.
process.on('SIGTERM', () => {
  server.tryShutdown(() => process.exit(0));
  setTimeout(() => process.exit(0), 2000);
});
