// The service of both sides: bytes in, bytes out, so that no compiler of .proto files is needed.
'use strict';

const bytes = (value) => value;
const method = (name, requestStream, responseStream) => ({
  path: `/echo.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});

module.exports = {
  unary: method('Unary', false, false),
  fail: method('Fail', false, false),
  never: method('Never', false, false),
  down: method('Down', false, true),
  up: method('Up', true, false),
  both: method('Both', true, true),
  breaks: method('Breaks', false, true),
  cancelled: method('Cancelled', false, false),
};
