// Helpers to build the page from nodes. User input goes into text nodes, and no string is ever
// parsed as HTML.

export const $ = id => document.getElementById(id);

/**
 * Makes an element. Of props, functions are listeners (onclick), true and false set or omit an
 * attribute, null omits it, and all others are attributes.
 * @param {string} tag @param {Record<string, any>} [props] @param {...(Node|string|null)} children
 */
export function el(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') e.addEventListener(name.slice(2), value);
    else if (value === true) e.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) e.setAttribute(name, value);
  }
  e.append(...children.filter(c => c !== null && c !== undefined && c !== false));
  return e;
}

/** Makes a node for a name in a sentence that isolates its writing direction from the text around it. */
export const bdi = name => el('bdi', {}, name);

/** Isolates a name where elements are not possible, as in the title of the page. */
export const isolated = name => `\u2068${name.replace(/[\u202a-\u202e\u2066-\u2069]/g, '')}\u2069`;

/**
 * Reports whether a key event belongs to an input method, such as an Enter that chooses a word.
 * Safari ends the composition before the event, so there only the key code shows it.
 * @param {KeyboardEvent} e
 */
export const composing = e => e.isComposing || e.keyCode === 229;

const SHAPES = {
  send: 'M4 12 20 4l-4.5 16-4-6.5zM11.5 13.5 20 4',
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16.2 16.2 21 21',
  menu: 'M4 7h16M4 12h16M4 17h16',
  close: 'M6 6l12 12M18 6 6 18',
  down: 'M12 5v14M6 13l6 6 6-6',
  people: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.4-3.6 3-5.6 6.5-5.6s6.1 2 6.5 5.6M15.5 4.3a3.5 3.5 0 0 1 0 6.4M18 14.9c2 .8 3.2 2.6 3.5 5.1',
  plus: 'M12 5v14M5 12h14',
  compass: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM15.5 8.5l-2 5-5 2 2-5z',
  at: 'M4 5h16v11H9l-5 4z',
  lock: 'M6 11h12v9H6zM8.5 11V7.5a3.5 3.5 0 0 1 7 0V11',
  hash: 'M9.5 4 8 20M16 4l-1.5 16M5 9.5h15M4 14.5h15',
  out: 'M14 4H6v16h8M10 12h10M16.5 8.5 20 12l-3.5 3.5',
  edit: 'M5 19l1-4L16.5 4.5l3 3L9 18z',
  bin: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  keys: 'M3 7h18v10H3zM7 10.5h.01M11 10.5h.01M15 10.5h.01M8 14h8',
  smile: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8.5 14.5c2 2.4 5 2.4 7 0M9 9.5h.01M15 9.5h.01',
  check: 'M5 12.5l4.5 4.5L19 7.5',
};

/** Makes an icon that screen readers skip. @param {keyof typeof SHAPES} name */
export function icon(name) {
  const ns = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(ns, 'svg'), path = document.createElementNS(ns, 'path');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', SHAPES[name]);
  svg.append(path);
  return svg;
}

/** Makes the avatar of a user. @param {{id: number, name: string}} user */
export function avatar(user) {
  return el('span', { class: `avatar hue-${user.id % 8}`, 'aria-hidden': 'true' }, initial(user.name));
}

/** Returns the first character of a name, including a whole emoji. */
export function initial(name) {
  return (name.match(/\p{RGI_Emoji}|./v)?.[0] ?? '?').toLocaleUpperCase();
}

/** Shows a notification for a few seconds. @param {...(Node|string)} words */
export function toast(...words) {
  const e = el('p', { class: 'toast' }, ...words);
  $('toasts').append(e);
  setTimeout(() => e.remove(), 6000);
}
