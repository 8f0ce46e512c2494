// Dialogs: to create, find and leave rooms, to invite people, and to change the password.

import { api } from './api.js';
import { ask, field, pages, show } from './ui-dialog.js';
import { bdi, el, icon, toast } from './ui-dom.js';
import { nameOf } from './rooms.js';

/** @param {(room: import('./api.js').Room) => void} done */
export function createRoom(done) {
  ask({
    title: 'New room', submit: 'Create room',
    fields: [
      field('Name', { name: 'name', maxlength: 100, placeholder: 'Plans for the summer' }),
      el('fieldset', {}, el('legend', {}, 'Who can join?'),
        choice('open', 'Everyone', 'The room is listed, and anyone can join.', true),
        choice('private', 'Invited people', 'The room is visible to its members only.', false)),
    ],
    run: async form => {
      const name = String(form.get('name')).trim();
      if (name === '') throw new Error('Please enter a name for the room.');
      return api.create(name, form.get('kind') === 'private');
    },
    done,
  });
}

const choice = (value, label, hint, checked) => el('label', { class: 'choice' },
  el('input', { type: 'radio', name: 'kind', value, checked }), el('span', {}, el('strong', {}, label), el('span', { class: 'soft' }, hint)));

/** @param {import('./rooms.js').Rooms} rooms @param {(room: import('./api.js').Room) => void} done */
export function browseRooms(rooms, done) {
  show('Open rooms', close => {
    const failed = el('p', { class: 'error', role: 'alert' });
    const item = r => {
      const mine = rooms.get(r.id);
      const go = async e => {
        e.target.disabled = true;
        try {
          const room = mine ?? await api.join(r.id);
          if (close()) done(room);
        } catch (e) {
          failed.textContent = e.message;
        }
        e.target.disabled = false;
      };
      return el('div', { class: 'row' }, icon('hash'), el('bdi', { class: 'label' }, r.name),
        el('button', { type: 'button', class: mine ? '' : 'primary', 'aria-label': `${mine ? 'Open' : 'Join'} ${r.name}`, onclick: go }, mine ? 'Open' : 'Join'));
    };
    return [failed, pages(async after => {
      const page = await api.openRooms(after);
      return { items: page.rooms.map(item), after: page.rooms.at(-1)?.key, more: page.more };
    }, 'There are no open rooms yet. Create the first one!')];
  });
}

/** @param {(room: import('./api.js').Room) => void} done */
export function messageSomeone(done) {
  ask({
    title: 'Message someone', intro: 'Only the two of you will see the messages.', submit: 'Start',
    fields: [field('Name', { name: 'name', autocapitalize: 'none', spellcheck: 'false' })],
    run: async form => api.direct(named(form)), done,
  });
}

/** @param {import('./api.js').Room} room @param {(name: string) => void} done */
export function invite(room, done) {
  ask({
    title: ['Invite to ', bdi(room.name)], intro: 'They become a member immediately and see the room in their list.', submit: 'Invite',
    fields: [field('Name', { name: 'name', autocapitalize: 'none', spellcheck: 'false' })],
    run: async form => {
      const name = named(form);
      await api.invite(room.id, name);
      return name;
    },
    done,
  });
}

function named(form) {
  const name = String(form.get('name')).trim();
  if (name === '') throw new Error('Please enter a name.');
  return name;
}

/** @param {import('./api.js').Room} room @param {() => void} done */
export function leave(room, done) {
  ask({
    title: ['Leave ', bdi(nameOf(room)), '?'], submit: 'Leave', danger: true,
    intro: room.kind === 'private' ? 'You can come back only if a member invites you.' : 'You can join again at any time.',
    run: () => api.leave(room.id), done,
  });
}

/** @param {() => Promise<void>} run @param {() => void} done */
export function removeMessage(run, done) {
  ask({ title: 'Delete this message?', intro: 'The text is deleted for everyone. A note that there was a message remains.', submit: 'Delete', danger: true, run, done });
}

/** @param {import('./api.js').User} me */
export function changePassword(me) {
  const secret = (label, name, autocomplete) => field(label, { name, type: 'password', autocomplete, dir: null });
  ask({
    title: 'Change your password', intro: 'You will be logged out in all other browsers and on all other devices.', submit: 'Change password',
    fields: [
      el('input', { name: 'username', autocomplete: 'username', value: me.name, hidden: true }), // for password managers
      secret('Current password', 'current', 'current-password'), secret('New password', 'wanted', 'new-password'), secret('New password again', 'again', 'new-password'),
    ],
    run: async form => {
      const [current, wanted, again] = ['current', 'wanted', 'again'].map(name => String(form.get(name)));
      if (current === '' || wanted === '') throw new Error(`Please enter ${current === '' ? 'your current password' : 'a new password'}.`);
      if (wanted !== again) throw new Error('The new passwords do not match.');
      return api.password(current, wanted);
    },
    done: () => toast('Your password has been changed.'),
  });
}

const KEYS = [
  ['Enter', 'Send'], ['Shift + Enter', 'New line'], ['↑ in the empty field', 'Edit your last message'],
  ['↑ or ↓ in the messages', 'Previous or next message'], ['Ctrl + K', 'Find a room'], ['Alt + ↑ or ↓', 'Previous or next room'], ['Ctrl + Shift + F', 'Search in this room'],
  ['Esc', 'Close the open panel, or go to the latest message'],
];

export function shortcuts() {
  show('Keyboard shortcuts', () => [el('dl', { class: 'keys' }, ...KEYS.flatMap(([key, action]) => [el('dt', {}, el('kbd', {}, key)), el('dd', {}, action)]))]);
}

/**
 * Makes the nodes that are shown while no room is open.
 * @param {import('./api.js').User} me @param {boolean} some whether there is a room to open @param {(name: string) => void} act @param {() => void} find
 */
export function welcome(me, some, act, find) {
  const button = (name, shape, words) => el('button', { type: 'button', onclick: () => act(name) }, icon(shape), words);
  return [
    el('img', { src: '/icon.svg', alt: '', width: 56, height: 56 }),
    el('h3', {}, ...(some ? ['Where would you like to talk?'] : ['Welcome, ', bdi(me.name), '!'])),
    el('p', { class: 'soft' }, some ? 'Choose a room from the list, or start a new one.'
      : 'You are not in any room yet. Join an open room, create your own, or send someone a message.'),
    el('div', { class: 'choices' },
      some ? el('button', { type: 'button', class: 'only-narrow', onclick: find }, icon('menu'), 'Show my rooms') : null,
      button('browse', 'compass', 'Browse rooms'), button('create', 'plus', 'New room'), button('direct', 'at', 'Message someone')),
  ];
}

/** The label of the button that goes to the latest message. @param {number} n unread messages */
export const jump = n => [icon('down'), n > 0 ? `${n} new` : 'Latest'];
