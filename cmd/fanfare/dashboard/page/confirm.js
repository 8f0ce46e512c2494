// A question before something that cannot be undone.

import { byId, setText } from './dom.js';

export function confirm({ title, text, yes }) {
  const dialog = byId('confirm');
  setText(byId('confirm-title'), title);
  setText(byId('confirm-text'), text);
  setText(byId('confirm-yes'), yes);
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise(done => {
    dialog.onclose = () => {
      if (!dialog.open) done(dialog.returnValue === 'yes'); // it may be open anew when the event comes
    };
  });
}
