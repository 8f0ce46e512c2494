// Keyboard shortcuts that work independently of the focus.

import { $, composing } from './ui-dom.js';

/** @param {{chat: import('./chat.js').Chat, sidebar: import('./room-sidebar.js').Sidebar, panel: import('./room-panel.js').Panel, log: import('./message-log.js').Log}} views @param {AbortSignal} signal */
export function keys({ chat, sidebar, panel, log }, signal) {
  const does = e => {
    const ctrl = e.ctrlKey || e.metaKey, key = e.key.toLowerCase();
    if (ctrl && key === 'k') return sidebar.find();
    if (ctrl && e.shiftKey && key === 'f') return panel.toggle('search');
    if (e.altKey && !ctrl && (e.key === 'ArrowUp' || e.key === 'ArrowDown')) return beside(e.key === 'ArrowUp' ? -1 : 1);
    return false;
  };
  const beside = step => {
    const id = sidebar.beside(step);
    if (id !== null) chat.open(id);
  };
  const escape = () => sidebar.drawer(false) || panel.close() || $('log').hidden || (log.end(), $('text').focus());
  document.addEventListener('keydown', e => {
    if ($('dialog').open || composing(e)) return;
    if (e.key === 'Escape') escape();
    else if (does(e) !== false) e.preventDefault();
  }, { signal });
}
