// Fanfare chat: who is logged in sees the chat, everybody else the way in.

import { api } from './api.js';
import { Chat } from './chat.js';
import { $, el } from './dom.js';
import { logIn } from './entry.js';

/** Asks who is logged in, if the server can be reached; until then it tries again. */
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

/** Says what has happened, and goes on when that was read: at once it might happen again. */
function again(words) {
  return new Promise(resolve => {
    const button = el('button', { type: 'button', class: 'primary', onclick: resolve }, 'Connect again');
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
      notice = 'The browser does not keep the cookie that says who you are. Please allow cookies for this page.';
      continue;
    }
  }
  const end = await new Chat(me).over;
  if (end.broken) await again(end.notice);
  else notice = end.notice;
}
