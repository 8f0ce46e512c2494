// Fanfare chat: shows the chat to a user who is logged in, and the login form to others.

import { api } from './api.js';
import { Chat } from './chat.js';
import { $, el } from './ui-dom.js';
import { logIn } from './login.js';

/** Returns the user who is logged in, or null. Retries until the server can be reached. */
async function whoami() {
  for (let delay = 500; ; delay = Math.min(2 * delay, 5000)) {
    try {
      return await api.me();
    } catch (e) {
      if (e.status === 401) return null;
      $('boot').textContent = e.message;
      await new Promise(resolve => setTimeout(resolve, delay));
    }
  }
}

/** Shows a message and waits for a click, since an immediate attempt might fail in the same way. */
function again(words) {
  return new Promise(resolve => {
    const button = el('button', { type: 'button', class: 'primary', onclick: resolve }, 'Reconnect');
    $('boot').replaceChildren(el('span', {}, words), button);
    button.focus();
  });
}

let notice = '';
for (;;) {
  let me = await whoami();
  $('boot').textContent = '';
  if (!me) {
    await logIn(notice);
    me = await whoami();
    if (!me) {
      notice = 'Your browser does not store the login cookie. Please allow cookies for this page.';
      continue;
    }
  }
  const end = await new Chat(me).over;
  if (end.broken) await again(end.notice);
  else notice = end.notice;
}
