// The chat of somebody who is logged in: it ties the models to what is seen of them.

import { api, login } from './api.js';
import { Composer } from './composer.js';
import { closeDialog } from './dialog.js';
import { $, bdi, isolated, toast } from './dom.js';
import { Drafts } from './drafts.js';
import { Log } from './log.js';
import { Live } from './live.js';
import { Marks } from './marks.js';
import { Outbox } from './outbox.js';
import { Panel } from './panel.js';
import * as questions from './questions.js';
import { nameOf, Rooms, unread } from './rooms.js';
import { Sidebar } from './sidebar.js';
import { Spoken } from './spoken.js';
import { Status } from './status.js';
import { keys } from './keys.js';
import { eachDay } from './time.js';
import { Timeline } from './timeline.js';

export class Chat {
  /** Kept when it is over; broken says that the login lasts, but the connection does not. @type {Promise<{notice: string, broken: boolean}>} */
  over;
  #end;
  #me;
  #rooms;
  #live;
  #outbox;
  #drafts;
  #marks = new Marks();
  #spoken;
  #log;
  #composer;
  #sidebar;
  #panel;
  #timelines = new Map(); // by room: those that were opened
  #names = new Map();     // of people, by id, as far as they were met
  #room = null;           // the open one
  #refreshing = null;
  #old = false;           // the list of rooms
  #gone = new AbortController();

  /** @param {{user: import('./api.js').User, rooms: import('./api.js').Room[]}} me */
  constructor({ user, rooms }) {
    const { signal } = this.#gone;
    this.over = new Promise(resolve => { this.#end = resolve; });
    this.#me = user;
    this.#rooms = new Rooms(user);
    this.#spoken = new Spoken(this.#rooms, user, signal);
    this.#live = new Live(user);
    this.#outbox = new Outbox(this.#live, user, signal);
    this.#drafts = new Drafts(user);
    this.#log = new Log(signal);
    this.#composer = new Composer(this.#drafts, signal);
    this.#sidebar = new Sidebar(this.#rooms, user, signal);
    this.#panel = new Panel(this.#live, user, signal);
    new Status(this.#live, signal);
    $('app').hidden = false;
    this.#listen(signal);
    this.#listenToViews(signal);
    keys({ chat: this, sidebar: this.#sidebar, panel: this.#panel, log: this.#log }, signal);
    this.#rooms.update(rooms);
    this.#live.watch(this.#rooms.ids);
    this.#route();
  }

  /** What the server tells. */
  #listen(signal) {
    const on = (name, fn) => this.#live.addEventListener(name, e => fn(e.detail), { signal });
    on('message', ({ room, message }) => this.#heard(room, message));
    on('stale', () => this.#refresh());
    on('open', () => { this.#refresh(); this.#log.again(); this.#marks.again(); });
    on('refused', () => this.#refresh()); // because nobody is logged in?
    login.addEventListener('refused', () => this.#refresh(), { signal });
    on('read', ({ room, number }) => this.#rooms.read(room, number));
    on('typing', () => this.#showTyping());
    on('here', () => this.#meet(...this.#live.here));
    on('ended', ({ code, reason }) => code === LOGGED_OUT ? this.#finish(LOGIN_OVER) : this.#finish(`The server has ended the connection${reason && `: ${reason}`}.`, true));
    this.#outbox.addEventListener('change', () => this.#log.update());
    this.#rooms.addEventListener('change', () => this.#showCounts());
    addEventListener('hashchange', () => this.#route(), { signal });
    for (const name of ['focus', 'visibilitychange']) addEventListener(name, () => this.#read(), { signal });
    eachDay(() => this.#log.update(), signal); // which says Today
  }

  /** What this user does. */
  #listenToViews(signal) {
    const on = (from, name, fn) => from.addEventListener(name, e => fn(e.detail), { signal });
    const enter = room => this.#enter(room);
    on(this.#sidebar, 'open', ({ id }) => this.open(id));
    on(this.#sidebar, 'create', () => questions.createRoom(enter));
    on(this.#sidebar, 'browse', () => questions.browseRooms(this.#rooms, enter));
    on(this.#sidebar, 'direct', () => questions.messageSomeone(enter));
    on(this.#sidebar, 'account', () => questions.changePassword(this.#me));
    on(this.#sidebar, 'keys', () => questions.shortcuts());
    on(this.#sidebar, 'logout', () => this.#logOut());
    on(this.#panel, 'invite', ({ room }) => questions.invite(room, name => {
      toast(bdi(name), ' is in ', bdi(room.name), ' now.');
      this.#panel.refresh(room);
    }));
    on(this.#panel, 'leave', ({ room }) => questions.leave(room, () => this.#refresh()));
    on(this.#panel, 'direct', ({ user, room }) => this.#direct(user, room));
    on(this.#panel, 'reveal', ({ number }) => {
      if (matchMedia('(max-width: 759px)').matches) this.#panel.close();
      this.#log.reveal(number);
    });
    on(this.#composer, 'send', ({ room, text }) => this.#send(room, text));
    on(this.#composer, 'edit', edit => this.#edit(edit));
    on(this.#composer, 'typing', ({ on }) => this.#live.type(on));
    on(this.#composer, 'up', () => this.#editLast());
    on(this.#log, 'end', () => this.#read());
    on($('jump'), 'click', () => { this.#log.end(); this.#composer.focus(); });
    on($('skip'), 'click', () => this.#composer.focus());
  }

  #meet(...people) {
    for (const { id, name } of people) this.#names.set(id, name);
  }

  #heard(id, message) {
    this.#meet(message.by);
    const timeline = this.#timelines.get(id);
    timeline?.hear(message);
    if (!timeline?.busy) this.#outbox.heard(message); // else it is shown, and taken out, when the answer has come
    this.#rooms.heard(id, message);
    this.#spoken.heard(id, message);
    if (id === this.#room?.id) this.#live.said(message.by.id);
  }

  /** Asks for the list of rooms again, and once more if it grows old meanwhile. */
  #refresh() {
    this.#old = true;
    this.#refreshing ??= this.#load().finally(() => { this.#refreshing = null; });
    return this.#refreshing;
  }

  async #load() {
    while (this.#old && !this.#gone.signal.aborted) {
      this.#old = false;
      try {
        const { added } = this.#rooms, { rooms } = await api.me();
        if (this.#gone.signal.aborted) return;
        if (added !== this.#rooms.added) {
          this.#old = true;
          continue;
        }
        this.#rooms.update(rooms);
        this.#live.watch(this.#rooms.ids);
        for (const t of this.#timelines.values()) t.check();
        this.#spoken.look();
        this.#route();
      } catch (e) {
        if (e.status === 401) this.#finish(LOGIN_OVER);
        else if (this.#live.isOpen) setTimeout(() => this.#refresh(), 1000 + 2000 * Math.random()); // the server has too much to do
        return; // it cannot be reached: the next connection asks again
      }
    }
  }

  #enter(room) {
    if (this.#gone.signal.aborted) return; // it took longer than the login
    this.#rooms.add(room);
    this.#live.watch(this.#rooms.ids);
    this.open(room.id);
  }

  /** Opens a room. @param {number} id */
  open(id) {
    if (id === this.#room?.id) {
      this.#sidebar.drawer(false);
      this.#composer.focus();
    }
    location.hash = `#/${id}`;
  }

  /** Shows the room that the address names, if this user is in it. */
  #route() {
    const id = Number(location.hash.match(/^#\/(\d+)$/)?.[1] ?? 0), room = this.#rooms.get(id) ?? null;
    if (room && room === this.#room) return this.#showHead();
    if (!room && !this.#room && !$('empty').hidden) return this.#showEmpty();
    for (const [gone] of this.#timelines) if (!this.#rooms.get(gone)) this.#timelines.delete(gone);
    this.#room = room;
    this.#live.enter(room?.id ?? null);
    this.#panel.open(room);
    this.#sidebar.current = room?.id ?? null;
    for (const e of ['log', 'foot', 'composer', 'typing', 'act-people', 'act-search']) $(e).hidden = !room;
    $('empty').hidden = Boolean(room);
    this.#showHead();
    if (!room) return this.#showEmpty();
    this.#showRoom(room);
  }

  #showRoom(room) {
    let timeline = this.#timelines.get(room.id);
    if (!timeline) {
      timeline = new Timeline(room);
      timeline.addEventListener('got', ({ detail }) => {
        this.#meet(this.#me, ...detail.map(m => m.by));
        detail.forEach(m => this.#outbox.heard(m));
      });
      this.#timelines.set(room.id, timeline);
    }
    this.#composer.open(room.id, nameOf(room));
    this.#log.show(timeline, {
      me: this.#me, room: room.id, outbox: this.#outbox, firstNew: unread(room) > 0 ? room.read + 1 : 0, begin: beginning(room, this.#me),
      names: this.#names,
      react: (m, sign, on) => this.#change(room.id, { [on ? 'react' : 'unreact']: m.number, sign }).catch(e => toast(e.message)),
      edit: m => this.#composer.edit(m),
      remove: m => questions.removeMessage(() => this.#change(room.id, { delete: m.number }), () => room === this.#room && this.#log.focus(m.number)),
    });
    if (timeline.latest) timeline.check();
    else timeline.open();
    if (matchMedia('(hover: hover)').matches) this.#composer.focus();
  }

  #showHead() {
    const room = this.#room, kinds = { open: 'Open to everybody', private: 'Private: members invite', direct: 'Only you two' };
    $('room-name').textContent = room ? nameOf(room) : 'Welcome';
    $('room-kind').textContent = room ? room.with?.id === this.#me.id ? 'Only you' : kinds[room.kind] : '';
    this.#showCounts();
  }

  #showEmpty() {
    const some = this.#rooms.ids.length > 0;
    $('empty').replaceChildren(...questions.welcome(this.#me, some, name => $(`act-${name}`).click(), () => this.#sidebar.find()));
  }

  #showCounts() {
    const n = this.#rooms.unread, room = this.#room, mine = room ? unread(room) : 0;
    document.title = `${n > 0 ? `(${n}) ` : ''}${room ? `${isolated(nameOf(room))} – ` : ''}Fanfare chat`;
    $('jump').hidden = !room || this.#log.atEnd;
    $('jump').replaceChildren(...questions.jump(mine));
    $('drawer-open').classList.toggle('dot', n - mine > 0);
    $('drawer-open').setAttribute('aria-label', n - mine > 0 ? `Open the list of rooms: ${n - mine} unread` : 'Open the list of rooms');
  }

  #showTyping() {
    const names = this.#live.typing, several = new Intl.ListFormat('en').formatToParts(names);
    const words = several.map(p => p.type === 'element' ? bdi(p.value) : p.value);
    if (names.length > 3) $('typing').textContent = 'Several people are typing …';
    else $('typing').replaceChildren(...(names.length === 0 ? [] : [...words, names.length === 1 ? ' is typing …' : ' are typing …']));
  }

  /** Tells the server what has been seen: all, if the end is in view and somebody looks. */
  #read() {
    const room = this.#room;
    if (!room) return;
    $('jump').hidden = this.#log.atEnd;
    const { last } = this.#timelines.get(room.id) ?? { last: 0 };
    if (!this.#log.atEnd || document.hidden || !document.hasFocus()) return;
    if (this.#rooms.read(room.id, last)) this.#marks.tell(room.id, last);
  }

  /** What is done to a room is told that room: another one may be open by the time there is an answer. */
  #send(room, text) {
    this.#outbox.send(room, text);
    if (room === this.#room?.id) this.#log.end();
  }

  async #edit({ room, number, was, text }) {
    try {
      await this.#change(room, { edit: number, text });
    } catch (e) {
      toast(e.message);
      this.#composer.restore(room, { number, was, text });
    }
  }

  /** Changes or deletes a message. @param {number} room @param {object} change */
  async #change(room, change) {
    try {
      await this.#live.publish(room, change);
    } catch (e) {
      throw new Error(['timeout', 'lost', 'closed'].includes(e.code) ? 'The connection broke. If the change does not show when it is back, please try again.' : `Nothing was changed: ${e.message}.`);
    }
  }

  /** Opens the room with somebody, unless this user has gone on to another meanwhile. */
  async #direct(user, from) {
    try {
      const room = await api.direct(user.name);
      if (from === this.#room) this.#enter(room);
    } catch (e) {
      toast(e.message);
    }
  }

  #editLast() {
    const mine = this.#timelines.get(this.#room.id).messages.findLast(m => m.by.id === this.#me.id && !m.deleted);
    if (mine) this.#composer.edit(mine);
  }

  async #logOut() {
    try {
      await api.logOut();
    } catch (e) {
      if (e.status !== 401) return toast(e.message);
    }
    this.#outbox.clear(); // the next to sit here may be somebody else
    this.#drafts.clear();
    history.replaceState(null, '', '/');
    this.#finish('You are logged out. See you!');
  }

  #finish(notice, broken = false) {
    if (this.#gone.signal.aborted) return;
    this.#gone.abort();
    this.#live.close();
    closeDialog();
    $('app').hidden = true;
    $('toasts').replaceChildren();
    this.#end({ notice, broken });
  }
}

/** The code with which a connection ends whose login has. */
const LOGGED_OUT = 3000;
const LOGIN_OVER = 'You have been logged out, or your login has expired. Log in to go on: what you were writing is kept.';

/** What stands before the first message. */
function beginning(room, me) {
  if (room.kind !== 'direct') return ['This is the beginning of ', bdi(room.name), '. Say hello!'];
  return room.with?.id === me.id ? ['This is a place for notes to yourself.'] : ['This is the beginning of what you and ', bdi(nameOf(room)), ' say to each other.'];
}
