// The dashboard: it asks the server every two seconds, and shows the view that the address names.

import { byId, h, replace, setText } from './dom.js';
import * as f from './format.js';
import { get, key, Failure } from './api.js';
import { Store } from './store.js';
import { Overview } from './overview.js';
import { Topics, Clients } from './lists.js';
import { Topic, Client } from './details.js';

const every = 2000; // in ms; lists of the whole server are computed less often, so they are asked for every second time
const store = new Store();
let view, status, span = 300, paused = false, since = Date.now(), problem = null, round = 0, timer;

// route returns the view of the address. The part behind the # is never sent to the server.
function route() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const params = new URLSearchParams(query);
  const [kind, ...rest] = path.split('/');
  let name = rest.join('/');
  try {
    name = decodeURIComponent(name);
  } catch { /* it is not encoded */ }
  switch (kind) {
    case 'topics': return ['topics', new Topics(params)];
    case 'clients': return ['clients', new Clients(params)];
    case 'topic': return ['topics', new Topic(name)];
    case 'client': return ['clients', new Client(name)];
  }
  return ['overview', new Overview()];
}

function open() {
  if (location.hash && !location.hash.startsWith('#/')) return; // of the link that skips the header
  const first = !view, [tab, next] = route();
  view = next;
  round = 0;
  for (const t of ['overview', 'topics', 'clients']) {
    if (t === tab) byId('nav-' + t).setAttribute('aria-current', 'page');
    else byId('nav-' + t).removeAttribute('aria-current');
  }
  replace(byId('main'), view.element);
  if (!first) {
    byId('main').focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  draw();
  again(0);
}

function draw() {
  if (status) view.update({ status, points: span === 300 ? store.fine : store.coarse, span });
  document.title = (status?.alerts.length || problem ? '⚠ ' : '') + (view.title === 'Overview' ? 'Fanfare' : view.title + ' – Fanfare');
  const alerts = problem ? [{ name: '', severity: 'critical', text: problem }] : status?.alerts ?? [];
  showAlerts(alerts);
  const state = problem ? 'No answer' : !status ? 'Connecting' : paused ? 'Paused' : alerts.length ? f.plural(alerts.length, 'alert') : status.state === 'ready' ? 'Ready' : 'Stopping';
  setText(byId('state'), state);
  byId('state').dataset.is = problem ? 'bad' : !status || paused ? 'idle' : alerts.length || status.state !== 'ready' ? 'warn' : 'good';
  document.body.classList.toggle('stale', !!problem);
  if (status) {
    setText(byId('footer'), `fanfare ${status.version} · process ${status.process.pid} · up for ${f.duration((Date.parse(status.time) - Date.parse(status.started)) / 1000)} · figures of ${f.clock(Date.parse(status.time))}`);
  }
}

// showAlerts changes the banner only if the alerts have changed: it is read aloud.
function showAlerts(alerts) {
  const box = byId('alerts'), now = JSON.stringify([!!status, alerts.map(a => [a.name, a.severity, a.text])]);
  if (box.dataset.shown === now) return;
  box.dataset.shown = now;
  replace(box, alerts.length === 0 && status ? h('p', { class: 'well' }, 'Nothing is wrong.') : alerts.map(a => h('div', { class: 'alert ' + (a.severity === 'critical' ? 'critical' : 'warning') },
    h('strong', null, a.severity === 'critical' ? 'Critical' : 'Warning'), a.name && h('span', { class: 'name' }, a.name), h('span', null, a.text))));
}

async function poll() {
  const asking = view;
  try {
    const wanted = round++ % 2 === 0 || asking.heading ? asking.lists : [];
    const [s, page, ...lists] = await Promise.all([get('/api/status'), get('/api/history?since=' + store.next),
      ...wanted.map(path => get(path).catch(e => e))]);
    status = s;
    if (store.add(page)) again(0); // the server has restarted: from the beginning
    problem = null;
    since = Date.now();
    draw();
    if (view !== asking || lists.length === 0) return;
    const failure = lists.find(l => l instanceof Failure && (l.status === 0 || l.status === 401));
    if (failure) throw failure;
    asking.showLists(lists);
  } catch (e) {
    failed(e);
  }
}

function failed(e) {
  if (!(e instanceof Failure)) throw e;
  if (e.status === 401 || (e.status === 403 && key.get())) {
    signIn(e.status === 401 && !key.get() ? '' : e.message);
    return;
  }
  problem = e.status === 0 ? `The server does not answer (${e.message}). These figures are those of ${f.clock(since)}.` : `The server answers with an error: ${e.message}`;
  draw();
}

function signIn(message) {
  key.remove();
  byId('signout').hidden = true;
  setText(byId('signin-error'), message);
  if (!byId('signin').open) byId('signin').showModal();
}

// again asks the server after a time, unless nobody looks.
function again(after) {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    if (document.hidden || paused || byId('signin').open) return;
    await poll();
    again(problem ? 2 * every : every);
  }, after);
}

function setSpan(seconds) {
  span = seconds;
  byId('range-5').setAttribute('aria-pressed', String(seconds === 300));
  byId('range-15').setAttribute('aria-pressed', String(seconds !== 300));
  draw();
}

function setPaused(on) {
  paused = on;
  byId('pause').setAttribute('aria-pressed', String(on));
  draw();
  again(0);
}

byId('range-5').addEventListener('click', () => setSpan(300));
byId('range-15').addEventListener('click', () => setSpan(900));
byId('pause').addEventListener('click', () => setPaused(!paused));
byId('signout').addEventListener('click', () => { status = undefined; signIn('You are signed out.'); });
byId('signin').addEventListener('cancel', e => e.preventDefault()); // there is nothing to see without a key
byId('signin').addEventListener('close', () => {
  key.set(byId('key').value.trim());
  byId('key').value = '';
  byId('signout').hidden = false;
  again(0);
});
document.addEventListener('visibilitychange', () => again(0));
addEventListener('hashchange', open);
byId('signout').hidden = !key.get();
open();
