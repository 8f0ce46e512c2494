// Questions: a window with fields or a list, before all else on the page.

import { $, el, icon } from './dom.js';

const dialog = $('dialog');

/**
 * Shows a window. build gets a function that closes it, and returns its content.
 * @param {string} title @param {(close: () => void) => Node[]} build
 */
export function show(title, build) {
  const close = () => dialog.close();
  dialog.replaceChildren(
    el('header', {}, el('h2', { id: 'dialog-title' }, title),
      el('button', { type: 'button', class: 'icon', 'aria-label': 'Close', onclick: close }, icon('close'))),
    ...build(close));
  dialog.showModal();
  dialog.querySelector('input, textarea, .primary')?.focus();
}

dialog.addEventListener('click', e => { if (e.target === dialog) dialog.close(); }); // beside it
dialog.addEventListener('close', () => dialog.replaceChildren());

export const closeDialog = () => { if (dialog.open) dialog.close(); };

/**
 * Asks for something, and does it: what goes wrong stands below the fields.
 * @param {{title: string, intro?: string, fields?: Node[], submit: string, danger?: boolean, run: (form: FormData) => Promise<void>}} question
 */
export function ask({ title, intro, fields = [], submit, danger, run }) {
  show(title, close => {
    const error = el('p', { class: 'error', role: 'alert' });
    const button = el('button', { class: danger ? 'primary danger' : 'primary' }, submit);
    const onsubmit = async e => {
      e.preventDefault();
      button.disabled = true;
      error.textContent = '';
      try {
        await run(new FormData(e.target));
        close();
      } catch (e) {
        error.textContent = e.message;
      } finally {
        button.disabled = false;
      }
    };
    return [el('form', { onsubmit, novalidate: true },
      intro ? el('p', { class: 'soft' }, intro) : null, ...fields, error,
      el('div', { class: 'buttons' }, el('button', { type: 'button', onclick: close }, 'Cancel'), button))];
  });
}

/** A field with its label. @param {string} label @param {Record<string, any>} props */
export function field(label, props) {
  return el('label', { class: 'field' }, el('span', {}, label), el('input', { autocomplete: 'off', dir: 'auto', ...props }));
}

/** A list that comes page by page. @param {(after: string|undefined) => Promise<{items: Node[], after?: string, more: boolean}>} load @param {string} none */
export function pages(load, none) {
  const list = el('ul', { class: 'pages' }), note = el('p', { class: 'soft', role: 'status' }, 'Loading …');
  const more = el('button', { type: 'button', class: 'wide', hidden: true, onclick: () => next() }, 'Show more');
  let after;
  async function next() {
    try {
      const page = await load(after);
      list.append(...page.items.map(i => el('li', {}, i)));
      note.textContent = list.childElementCount ? '' : none;
      after = page.after;
      more.hidden = !page.more;
    } catch (e) {
      note.textContent = e.message;
    }
  }
  next();
  return el('div', {}, list, note, more);
}
