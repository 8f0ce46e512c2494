// The server's HTTP API. Errors have a message for people.

/**
 * @typedef {{id: number, name: string, moderator?: boolean}} User
 * @typedef {{id: number, kind: 'open'|'private'|'direct', name: string, with?: User, owner: number, last: number, read: number, rev: number}} Room
 * @typedef {{number: number, rev: number, id: string, by: User, text: string, sent: number, edited?: number, deleted?: true,
 *   reactions?: {sign: string, by: number[]}[]}} Message
 */

/** status is the status of the response, or 0 if there was none. */
export class ApiError extends Error {
  name = 'ApiError';

  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Event: refused, when a response says that nobody is logged in. */
export const login = new EventTarget();

/** With keepalive the request survives the page. */
async function call(method, path, body, keepalive = false) {
  let r;
  try {
    const headers = body ? { 'Content-Type': 'application/json' } : {};
    r = await fetch(path, { method, headers, body: body && JSON.stringify(body), credentials: 'same-origin', cache: 'no-store', keepalive });
  } catch {
    throw new ApiError(0, 'The server cannot be reached. Please check your connection.');
  }
  if (r.status === 401) login.dispatchEvent(new Event('refused'));
  if (r.status === 204) return null;
  const answer = await r.json().catch(() => ({}));
  if (!r.ok) throw new ApiError(r.status, sentence(answer.error ?? `The server answered with status ${r.status}.`) + wait(r));
  return answer;
}

/** Returns a sentence about when to try again, or '' if the server does not say. */
function wait(r) {
  const s = Number(r.headers.get('Retry-After'));
  if (r.status !== 429 || !s) return '';
  return s < 90 ? ` Try again in ${s} seconds.` : ` Try again in ${Math.ceil(s / 60)} minutes.`;
}

/** Makes a sentence of an error text, which starts with a lower-case letter and has no full stop. */
export function sentence(words) {
  const s = words.trim();
  return s.slice(0, 1).toLocaleUpperCase() + s.slice(1) + (/[.!?]$/.test(s) ? '' : '.');
}

const query = params => new URLSearchParams(Object.entries(params).filter(([, v]) => v !== undefined && v !== ''));
const get = (path, params = {}) => call('GET', `${path}?${query(params)}`);
const post = (path, body = {}) => call('POST', path, body);

export const api = {
  signUp: (name, password) => post('/api/signup', { name, password }),
  logIn: (name, password) => post('/api/login', { name, password }),
  logOut: () => post('/api/logout'),
  me: () => get('/api/me'),
  password: (current, wanted) => post('/api/password', { current, wanted }),
  openRooms: after => get('/api/rooms', { after, limit: 50 }),
  create: (name, isPrivate) => post('/api/rooms', { name, private: isPrivate }),
  join: id => post(`/api/rooms/${id}/join`),
  leave: id => post(`/api/rooms/${id}/leave`),
  invite: (id, name) => post(`/api/rooms/${id}/invite`, { name }),
  direct: name => post('/api/direct', { name }),
  members: (id, after) => get(`/api/rooms/${id}/members`, { after, limit: 100 }),
  messages: (id, before, limit) => get(`/api/rooms/${id}/messages`, { before, limit }),
  changes: (id, after) => get(`/api/rooms/${id}/changes`, { after, limit: 200 }),
  search: (id, q, below) => get(`/api/rooms/${id}/search`, { q, below, limit: 30 }),
  read: (id, number) => call('POST', `/api/rooms/${id}/read`, { number }, true),
};
