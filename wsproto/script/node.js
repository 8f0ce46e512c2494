// Evaluates scripts, a line of JSON each, and answers with a line of JSON.
async function answer(line) {
  try {
    return { value: (await (0, eval)(JSON.parse(line))) ?? null };
  } catch (e) {
    return { error: String(e) };
  }
}

globalThis.require = require;
let last = Promise.resolve();
require('readline').createInterface({ input: process.stdin }).on('line', line => {
  last = last.then(() => answer(line)).then(a => console.log(JSON.stringify(a)));
});
