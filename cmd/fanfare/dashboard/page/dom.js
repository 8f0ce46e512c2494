// Elements. Strings become text, never markup: names of topics and users come from strangers. The page's policy
// (trusted types) forbids markup from strings altogether.

const svgNamespace = 'http://www.w3.org/2000/svg';

function fill(e, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else e.setAttribute(name, value === true ? '' : value);
  }
  e.append(...children.flat().filter(c => c !== null && c !== undefined && c !== false));
  return e;
}

// h returns an element. Attributes whose names begin with "on" are listeners.
export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);

// svg is h for SVG.
export const svg = (tag, props, ...children) => fill(document.createElementNS(svgNamespace, tag), props, children);

export const byId = id => document.getElementById(id);

// setText changes a text only if it differs, so that a selection stays.
export function setText(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

// replace shows the children instead of those that there are.
export const replace = (e, ...children) => e.replaceChildren(...children.flat().filter(c => c !== null && c !== undefined && c !== false));

// table shows rows of cells. columns have a title, a cell function of a row, and say whether they are numeric, and whether they
// need a wide screen.
export function table(caption, columns, empty) {
  const body = h('tbody');
  const cls = c => [c.numeric && 'number', c.wide && 'wide', c.main && 'main'].filter(Boolean).join(' ') || null;
  const none = h('p', { class: 'empty' });
  const t = h('table', null, h('caption', { class: 'hidden' }, caption),
    h('thead', null, h('tr', null, columns.map(c => h('th', { scope: 'col', class: cls(c) }, c.title)))), body);
  const element = h('div', { class: 'table' }, t, none);
  const draw = (rows, why) => {
    const focused = document.activeElement?.closest('tr')?.dataset.key;
    replace(body, rows.map(row => h('tr', { 'data-key': columns[0].key(row) }, columns.map(c => h('td', { class: cls(c) }, c.cell(row))))));
    if (focused !== undefined) [...body.rows].find(r => r.dataset.key === focused)?.querySelector('a')?.focus({ preventScroll: true });
    t.hidden = rows.length === 0;
    none.hidden = rows.length > 0;
    setText(none, why ?? empty);
  };
  draw([], 'Loading …');
  return { element, draw };
}
