// Modal dialogs with fields or a list.

import { $, el, icon } from './ui-dom.js';

const dialog = $('dialog');
let shown = null; // identifies the open dialog

/**
 * Shows a dialog. build returns its content. It receives a function that closes the dialog, unless
 * another one is open by then, and reports whether it did.
 * @param {string|(Node|string)[]} title @param {(close: () => boolean) => Node[]} build
 */
export function show(title, build) {
  const mine = shown = {};
  const close = () => {
    if (shown !== mine) return false;
    closeDialog();
    return true;
  };
  dialog.replaceChildren(
    el('header', {}, el('h2', { id: 'dialog-title' }, ...[title].flat()),
      el('button', { type: 'button', class: 'icon', 'aria-label': 'Close', onclick: close }, icon('close'))),
    ...build(close));
  if (!dialog.open) dialog.showModal();
  dialog.querySelector('input:not([hidden]), textarea, .primary')?.focus();
}

dialog.addEventListener('click', e => { if (e.target === dialog) closeDialog(); }); // a click on the backdrop
dialog.addEventListener('close', () => {
  if (dialog.open) return; // another dialog is open already
  shown = null;
  dialog.replaceChildren();
});

export function closeDialog() {
  shown = null;
  dialog.close();
}

/**
 * Shows a form and runs an action with its data. An error is shown below the fields. done is
 * called with the result of run, unless the dialog was cancelled in the meantime.
 * @template T
 * @param {{title: string|(Node|string)[], intro?: string, fields?: Node[], submit: string, danger?: boolean,
 *   run: (form: FormData) => Promise<T>, done?: (result: T) => void}} question
 */
export function ask({ title, intro, fields = [], submit, danger, run, done = () => {} }) {
  show(title, close => {
    const error = el('p', { class: 'error', role: 'alert' });
    const button = el('button', { class: danger ? 'primary danger' : 'primary' }, submit);
    const onsubmit = async e => {
      e.preventDefault();
      button.disabled = true;
      error.textContent = '';
      try {
        const result = await run(new FormData(e.target));
        if (close()) done(result);
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

/** Makes a field with a label. @param {string} label @param {Record<string, any>} props */
export function field(label, props) {
  return el('label', { class: 'field' }, el('span', {}, label), el('input', { autocomplete: 'off', dir: 'auto', ...props }));
}

/** Makes a list that is loaded page by page. @param {(after: string|undefined) => Promise<{items: Node[], after?: string, more: boolean}>} load @param {string} none */
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
