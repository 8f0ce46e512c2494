// The chat of a user who is logged in. It connects the models with the views.

import { api, login } from './api.js';
import { Composer } from './message-composer.js';
import { closeDialog } from './ui-dialog.js';
import { $, bdi, isolated, toast } from './ui-dom.js';
import { Drafts } from './message-drafts.js';
import { Log } from './message-log.js';
import { HubConnection } from './hub-connection.js';
import { ReadMarks } from './message-read.js';
import { Outbox } from './outbox.js';
import { Panel } from './room-panel.js';
import * as questions from './room-dialogs.js';
import { nameOf, Rooms, unread } from './rooms.js';
import { Sidebar } from './room-sidebar.js';
import { Mentioned } from './message-mentioned.js';
import { Status } from './hub-status.js';
import { keys } from './ui-keys.js';
import { eachDay } from './time.js';
import { Timeline } from './message-timeline.js';

export class Chat {
  /** Resolves when the chat has ended; broken: the user is still logged in, but the connection has failed. @type {Promise<{notice: string, broken: boolean}>} */
  over;
  #end;
  #me;
  #rooms;
  #hub;
  #outbox;
  #drafts;
  #readMarks = new ReadMarks();
  #mentioned;
  #log;
  #composer;
  #sidebar;
  #panel;
  #timelines = new Map(); // by room, for the rooms that were opened
  #names = new Map();     // of people, by id, as far as the page has seen them
  #room = null;           // the open room
  #refreshing = null;
  #loggingOut = false;
  #old = false;           // whether the list of rooms is out of date
  #gone = new AbortController();

  /** @param {{user: import('./api.js').User, rooms: import('./api.js').Room[]}} me */
  constructor({ user, rooms }) {
    const { signal } = this.#gone;
    this.over = new Promise(resolve => { this.#end = resolve; });
    this.#me = user;
    this.#rooms = new Rooms(user);
    this.#mentioned = new Mentioned(this.#rooms, user, signal);
    this.#hub = new HubConnection(user);
    this.#outbox = new Outbox(this.#hub, user, signal);
    this.#drafts = new Drafts(user);
    this.#log = new Log(signal);
    this.#composer = new Composer(this.#drafts, signal);
    this.#sidebar = new Sidebar(this.#rooms, user, signal);
    this.#panel = new Panel(this.#hub, user, signal);
    new Status(this.#hub, signal);
    $('app').hidden = false;
    this.#listen(signal);
    this.#listenToViews(signal);
    keys({ chat: this, sidebar: this.#sidebar, panel: this.#panel, log: this.#log }, signal);
    this.#rooms.update(rooms);
    this.#hub.watch(this.#rooms.ids);
    this.#route();
  }

  /** Listens to events from the server. */
  #listen(signal) {
    const on = (name, fn) => this.#hub.addEventListener(name, e => fn(e.detail), { signal });
    on('message', ({ room, message }) => this.#onMessage(room, message));
    on('stale', () => this.#refresh());
    on('open', () => { this.#refresh(); this.#log.again(); this.#readMarks.again(); });
    on('refused', () => this.#refresh()); // to find out whether the user is still logged in
    login.addEventListener('refused', () => this.#refresh(), { signal });
    on('read', ({ room, number }) => this.#rooms.read(room, number));
    on('typing', () => this.#showTyping());
    on('here', () => this.#meet(...this.#hub.here));
    on('ended', ({ code, reason }) => code === LOGGED_OUT ? this.#loginOver() : this.#finish(`The server has closed the connection${reason && `: ${reason}`}.`, true));
    this.#outbox.addEventListener('change', () => this.#log.update());
    this.#rooms.addEventListener('change', () => this.#showCounts());
    addEventListener('hashchange', () => this.#route(), { signal });
    for (const name of ['focus', 'visibilitychange']) addEventListener(name, () => this.#read(), { signal });
    eachDay(() => this.#log.update(), signal); // it shows "Today"
  }

  /** Listens to events from the views. */
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
      toast(bdi(name), ' is now a member of ', bdi(room.name), '.');
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
    on(this.#composer, 'typing', ({ on }) => this.#hub.type(on));
    on(this.#composer, 'up', () => this.#editLast());
    on(this.#log, 'end', () => this.#read());
    on($('jump'), 'click', () => { this.#log.end(); this.#composer.focus(); });
    on($('skip'), 'click', () => this.#composer.focus());
  }

  #meet(...people) {
    for (const { id, name } of people) this.#names.set(id, name);
  }

  #onMessage(id, message) {
    this.#meet(message.by);
    const timeline = this.#timelines.get(id);
    timeline?.apply(message);
    if (!timeline?.busy) this.#outbox.delivered(message); // otherwise the timeline shows it, and the outbox drops it, when the response arrives
    this.#rooms.heard(id, message);
    this.#mentioned.examine(id, message);
    if (id === this.#room?.id) this.#hub.typingStopped(message.by.id);
  }

  /** Requests the list of rooms, and once more if it gets out of date in the meantime. */
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
        this.#hub.watch(this.#rooms.ids);
        for (const t of this.#timelines.values()) t.check();
        this.#mentioned.look();
        this.#route();
      } catch (e) {
        if (e.status === 401) this.#loginOver();
        else if (this.#hub.isOpen) setTimeout(() => this.#refresh(), 1000 + 2000 * Math.random()); // the server is busy
        return; // without a connection, the next one requests the list
      }
    }
  }

  #enter(room) {
    if (this.#gone.signal.aborted) return; // the login has ended in the meantime
    this.#rooms.add(room);
    this.#hub.watch(this.#rooms.ids);
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

  /** Shows the room in the page's address, if the user is a member of it. */
  #route() {
    const id = Number(location.hash.match(/^#\/(\d+)$/)?.[1] ?? 0), room = this.#rooms.get(id) ?? null;
    if (room && room === this.#room) return this.#showHead();
    if (!room && !this.#room && !$('empty').hidden) return this.#showEmpty();
    for (const [gone] of this.#timelines) if (!this.#rooms.get(gone)) this.#timelines.delete(gone);
    this.#room = room;
    this.#hub.enter(room?.id ?? null);
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
        detail.forEach(m => this.#outbox.delivered(m));
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
    const room = this.#room, kinds = { open: 'Open to everyone', private: 'Private, by invitation', direct: 'Direct messages' };
    $('room-name').textContent = room ? nameOf(room) : 'Welcome';
    $('room-kind').textContent = room ? room.with?.id === this.#me.id ? 'Notes to yourself' : kinds[room.kind] : '';
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
    const names = this.#hub.typing, several = new Intl.ListFormat('en').formatToParts(names);
    const words = several.map(p => p.type === 'element' ? bdi(p.value) : p.value);
    if (names.length > 3) $('typing').textContent = 'Several people are typing …';
    else $('typing').replaceChildren(...(names.length === 0 ? [] : [...words, names.length === 1 ? ' is typing …' : ' are typing …']));
  }

  /** Marks all messages as read, if the end of the room is in view and the page has the focus. */
  #read() {
    const room = this.#room;
    if (!room) return;
    $('jump').hidden = this.#log.atEnd;
    const { last } = this.#timelines.get(room.id) ?? { last: 0 };
    if (!this.#log.atEnd || document.hidden || !document.hasFocus()) return;
    if (this.#rooms.read(room.id, last)) this.#readMarks.tell(room.id, last);
  }

  /** Actions keep the room for which they were started: another one may be open when the response arrives. */
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
      await this.#hub.publish(room, change);
    } catch (e) {
      throw new Error(['timeout', 'lost', 'closed'].includes(e.code) ? 'The connection was lost. If the change does not appear after reconnecting, please try again.' : `The change failed: ${e.message}.`);
    }
  }

  /** Opens the direct room with a user, unless another room has been opened in the meantime. */
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
    this.#loggingOut = true;
    try {
      await api.logOut();
    } catch (e) {
      if (e.status !== 401) {
        this.#loggingOut = false;
        return toast(e.message);
      }
    }
    this.#loggedOut();
  }

  /** The login has ended. If the user is logging out, the server may close the connection before it responds. */
  #loginOver() {
    if (this.#loggingOut) this.#loggedOut();
    else this.#finish(LOGIN_OVER);
  }

  #loggedOut() {
    if (this.#gone.signal.aborted) return;
    this.#outbox.clear(); // the next user of this browser may be another person
    this.#drafts.clear();
    history.replaceState(null, '', '/');
    this.#finish('You have logged out.');
  }

  #finish(notice, broken = false) {
    if (this.#gone.signal.aborted) return;
    this.#gone.abort();
    this.#hub.close();
    closeDialog();
    $('app').hidden = true;
    $('toasts').replaceChildren();
    this.#end({ notice, broken });
  }
}

/** The close code of a connection whose login has ended. */
const LOGGED_OUT = 3000;
const LOGIN_OVER = 'You are no longer logged in. Please log in again. Your drafts have been kept.';

/** Returns the text before the first message. */
function beginning(room, me) {
  if (room.kind !== 'direct') return ['This is the beginning of ', bdi(room.name), '. Say hello!'];
  return room.with?.id === me.id ? ['This is a place for notes to yourself.'] : ['This is the beginning of your conversation with ', bdi(nameOf(room)), '.'];
}
