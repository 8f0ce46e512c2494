// Requests to the server, with the operator's key, which is kept for this tab only and is never part of a URL.

const storage = 'fanfare.key';
const timeout = 10000; // in ms

export const key = {
  get: () => sessionStorage.getItem(storage) ?? '',
  set: k => sessionStorage.setItem(storage, k),
  remove: () => sessionStorage.removeItem(storage),
};

// Failure is an answer with an error status, or status 0 if the server has not answered.
export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function request(method, path) {
  const headers = key.get() ? { Authorization: 'Bearer ' + key.get() } : {};
  let response, body;
  try {
    response = await fetch(path, { method, headers, signal: AbortSignal.timeout(timeout), cache: 'no-store' });
    body = await response.text();
  } catch (e) {
    throw new Failure(0, e.name === 'TimeoutError' ? `no answer within ${timeout / 1000} s` : 'no connection');
  }
  let value;
  try {
    value = JSON.parse(body);
  } catch {
    throw new Failure(response.status, `the answer to ${path} is not JSON: is there a proxy between?`);
  }
  if (!response.ok) throw new Failure(response.status, value?.error ?? `status ${response.status}`);
  return value;
}

export const get = path => request('GET', path);
