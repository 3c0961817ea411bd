/** The light of the wire: a bare uWebSockets.js server that reads a body and returns as many bytes as our answer has. */

import { App, us_socket_local_port } from 'uWebSockets.js';

const answer = Buffer.alloc(Number(process.argv[2]), 0x20);

App()
  .post('/*', (res) => {
    res.onAborted(() => undefined);
    res.onData((_chunk, last) => {
      if (last) res.cork(() => res.end(answer));
    });
  })
  .listen('127.0.0.1', 0, (socket) => {
    process.stdout.write(`http://127.0.0.1:${us_socket_local_port(socket as never)}\n`);
  });
