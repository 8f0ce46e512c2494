// Evaluates expressions, a line of JSON each, and answers with a line of JSON.
globalThis.WebSocket = require('ws');
require('./peer.js');

async function answer(line) {
  try {
    return { value: (await eval(JSON.parse(line))) ?? null };
  } catch (e) {
    return { error: String(e) };
  }
}

let last = Promise.resolve();
require('readline').createInterface({ input: process.stdin }).on('line', line => {
  last = last.then(() => answer(line)).then(a => console.log(JSON.stringify(a)));
});
