// Reactions to messages.

import { el, icon, isolated } from './ui-dom.js';

/** The same list as the server's. */
const SIGNS = ['👍', '❤️', '😂', '🎉', '😮', '😢', '👀', '🙏'];

const NAMED = 10; // people named in the tooltip

/**
 * Makes the reactions to a message, which are buttons to add or remove the user's own.
 * @param {{sign: string, by: number[]}[]} reactions @param {{me: import('./api.js').User, names: Map<number, string>, react: (sign: string, on: boolean) => void}} view
 */
export function reactionsNode(reactions, { me, names, react }) {
  return el('div', { class: 'reactions', role: 'group', 'aria-label': 'Reactions' }, ...reactions.map(({ sign, by }) => {
    const mine = by.includes(me.id), who = people(by, me, names);
    return el('button', {
      type: 'button', class: 'reaction', 'data-sign': sign, 'aria-pressed': String(mine), 'aria-label': `${sign} ${by.length}: ${who}`, title: who,
      onclick: () => react(sign, !mine),
    }, sign, el('span', {}, String(by.length)));
  }));
}

function people(by, me, names) {
  const known = by.filter(id => id !== me.id && names.has(id)).slice(0, NAMED).map(id => isolated(names.get(id)));
  if (by.includes(me.id)) known.unshift('you');
  const others = by.length - known.length;
  if (others > 0) known.push(others === 1 ? 'one other' : `${others} others`);
  return new Intl.ListFormat('en').format(known);
}

/** Makes the button that offers the reactions, and the reactions. @param {(sign: string, on: boolean) => void} react */
export function signsNode(react) {
  const signs = el('span', { class: 'signs', role: 'group', 'aria-label': 'Reactions to choose from', hidden: true }, ...SIGNS.map(sign =>
    el('button', { type: 'button', class: 'icon', 'aria-label': `React with ${sign}`, onclick: () => { toggle(false); react(sign, true); } }, sign)));
  const button = el('button', { type: 'button', class: 'icon', 'aria-label': 'React', title: 'React', 'aria-expanded': 'false', onclick: () => toggle(signs.hidden) }, icon('smile'));
  const toggle = open => {
    signs.hidden = !open;
    button.setAttribute('aria-expanded', String(open));
    if (open) signs.firstChild.focus();
    else button.focus();
  };
  signs.addEventListener('keydown', e => {
    if (e.key !== 'Escape') return;
    e.stopPropagation();
    toggle(false);
  });
  return [signs, button];
}
