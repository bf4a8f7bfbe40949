# A small server on the loopback interface and its own client.
cat >server.js <<'END'
const http = require('http');
const server = http.createServer((q, r) => r.end(JSON.stringify({ url: q.url, words: Array.from({ length: 200 }, (_, i) => q.url + i) })));
server.listen(0, '127.0.0.1', async () => {
  let bytes = 0;
  const get = (n) => new Promise((done, fail) => http.get({ host: '127.0.0.1', port: server.address().port, path: '/' + n }, (r) => {
    r.on('data', (d) => { bytes += d.length; }); r.on('end', done); }).on('error', fail));
  for (let i = 0; i < 300; i += 10) await Promise.all(Array.from({ length: 10 }, (_, k) => get(i + k)));
  console.log('bytes', bytes);
  server.close();
});
END
node server.js
