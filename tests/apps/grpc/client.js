// A gRPC client: node client.js PORT. Prints what came of each kind of call, one to a line, and nothing that depends on
// who is in between.
'use strict';

const grpc = require('@grpc/grpc-js');
const service = require('./service.js');

const [port] = process.argv.slice(2);
const Client = grpc.makeGenericClientConstructor(service, 'Echo');
const options = { 'grpc.max_receive_message_length': -1, 'grpc.enable_retries': 0 };
const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), options);
const asked = (value) => {
  const metadata = new grpc.Metadata();
  metadata.set('x-asked', value);
  return metadata;
};
const shown = (status) => {
  const found = status.metadata.getMap();
  const kept = Object.keys(found).filter((name) => name.startsWith('x-')).sort();
  return `${status.code} ${JSON.stringify(status.details)} ${kept.map((name) => `${name}=${found[name].toString('hex')}`)}`;
};

// One answer: what came, and the status behind it.
const once = (name, request, metadata = new grpc.Metadata(), more = {}) => new Promise((done) => {
  const seen = [];
  const both = {};
  const came = (part) => {
    Object.assign(both, part);
    if ('answer' in both && 'text' in both) done(both);
  };
  const call = client[name](request, metadata, more, (error, answer) => came({ answer }));
  call.on('metadata', (head) => { if (head.get('x-first').length) seen.push(head.get('x-first')); });
  call.on('status', (status) => came({ text: [...seen, shown(status)].join(' | ') }));
});

// A stream of answers.
const many = (call) => new Promise((done) => {
  const pieces = [];
  call.on('data', (data) => pieces.push(data.toString()));
  call.on('error', () => {});
  call.on('status', (status) => setImmediate(() => done({ pieces, text: shown(status) })));
});

const tests = {
  async unary() {
    const { answer, text } = await once('unary', Buffer.from('hello'), asked('one'));
    return `${answer} ${text}`;
  },
  async empty() {
    const { answer, text } = await once('unary', Buffer.alloc(0), asked('two'));
    return `${answer?.length} ${text}`;
  },
  async large() {
    const sent = Buffer.alloc(3 << 20, 'x');
    const { answer, text } = await once('unary', sent, asked('three'));
    return `${answer?.equals(sent)} ${text}`;
  },
  async fail() {
    return (await once('fail', Buffer.from('a'))).text;
  },
  async deadline() {
    const { text } = await once('never', Buffer.from('a'), undefined, { deadline: Date.now() + 300 });
    return text.split(' ')[0];
  },
  async down() {
    const { pieces, text } = await many(client.down(Buffer.from('piece')));
    return `${pieces.length} ${pieces[299]} ${text}`;
  },
  async up() {
    return new Promise((done) => {
      const call = client.up((error, value) => done(error ? String(error) : value.toString()));
      for (let at = 0; at < 200; at += 1) call.write(Buffer.alloc(10000, 'y'));
      call.end();
    });
  },
  // Each message waits for the one before: nothing in between may hold any back.
  async both() {
    const call = client.both();
    const end = many(call);
    let count = 0;
    call.on('data', () => {
      count += 1;
      if (count < 50) setTimeout(() => call.write(Buffer.from(`turn ${count}`)), 2);
      else call.end();
    });
    call.write(Buffer.from('turn 0'));
    const { pieces, text } = await end;
    return `${pieces.length} ${pieces[49]} ${text}`;
  },
  async breaks() {
    const { pieces, text } = await many(client.breaks(Buffer.from('a')));
    return `${pieces} ${text}`;
  },
  async cancel() {
    const before = Number((await once('cancelled', Buffer.from('a'))).answer);
    const call = client.both();
    const end = many(call);
    call.on('data', () => call.cancel());
    call.write(Buffer.from('one'));
    const { text } = await end;
    for (let tries = 0; tries < 100; tries += 1) {
      const now = Number((await once('cancelled', Buffer.from('a'))).answer);
      if (now > before) return `${text.split(' ')[0]} and the server knows`;
      await new Promise((again) => { setTimeout(again, 20); });
    }
    return `${text.split(' ')[0]} and the server does not know`;
  },
  async crowd() {
    const calls = [...Array(200).keys()].map((at) => once('unary', Buffer.from(`no ${at}`), asked(String(at))));
    const answers = await Promise.all(calls);
    return `${answers.filter(({ answer }, at) => String(answer) === `no ${at}`).length} of 200`;
  },
  async streams() {
    const one = async (at) => {
      const call = client.both();
      const end = many(call);
      for (let piece = 0; piece < 20; piece += 1) call.write(Buffer.alloc(20000, at));
      call.end();
      const { pieces } = await end;
      return pieces.join('').length;
    };
    const lengths = await Promise.all([...Array(40).keys()].map(one));
    return `${lengths.filter((length) => length === 400000).length} of 40`;
  },
};

(async () => {
  for (const [name, test] of Object.entries(tests)) {
    const late = new Promise((done) => { setTimeout(done, 20000, 'not in time').unref(); });
    console.log(`${name}: ${await Promise.race([test(), late])}`);
  }
  client.close();
})();
