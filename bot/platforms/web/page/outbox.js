// Messages leave in order, each under one id however often it is tried, and are kept until committed.
import { dropUnsent, keepUnsent, unsent } from './memory.js';
import { backOff, newId, pause, post } from './net.js';
import { dropPhoto, keepPhoto, keptPhoto } from './photo.js';

const SLOW = 8000; // ms that words wait for a photo that was sent before them

export class Outbox {
  // An entry is { id, at, text | choice, label, message | photo }, with a `state` once it leaves no
  // more by itself: `not_sent` (refused: `why`) or `held` (its session ended).
  constructor({ changed, committed, ended }) {
    Object.assign(this, { changed, committed, ended });
    this.isOpen = false;
    this.waiting = unsent();
    this.photos = new Map();
    this.since = new Map(this.waiting.map(({ id }) => [id, Date.now()]));
    this.cuts = new Map();
    this.busy = { words: false, photos: false };
    this.stuck = { words: false, photos: false }; // the last try failed
    this.wakes = new Set();
    addEventListener('online', () => this.hurry());
    addEventListener('offline', () => {
      for (const entry of this.waiting) if (!entry.state) this.changed(entry, 'waiting');
    });
  }

  // How what is ready to leave stands: does it travel, or wait for the network?
  pace({ photo }) {
    return navigator.onLine && !this.stuck[photo ? 'photos' : 'words'] ? 'sending' : 'waiting';
  }

  add(message, photo) {
    const entry = { ...message, id: newId(), at: new Date().toISOString() };
    if (photo) {
      this.photos.set(entry.id, photo);
      keepPhoto(entry.id, photo);
      setTimeout(() => this.flush(), SLOW + 1);
    }
    this.waiting.push(entry);
    this.since.set(entry.id, Date.now());
    keepUnsent(entry);
    return entry;
  }

  async photo({ id }) {
    if (!this.photos.has(id)) this.photos.set(id, await keptPhoto(id));
    return this.photos.get(id);
  }

  isLost({ id, photo }) {
    return Boolean(photo) && !this.photos.get(id);
  }

  hurry() {
    for (const wake of this.wakes) wake();
    this.flush();
  }

  open() {
    this.isOpen = true;
    this.flush();
    setTimeout(() => this.flush(), SLOW + 1);
  }

  flush() {
    if (!this.isOpen) return;
    this.empty('words');
    this.empty('photos');
  }

  // A photo waits for the words before it; words wait only a little for a photo.
  next(lane) {
    const ready = this.waiting.filter((entry) => !entry.state);
    const first = ready.find((entry) => Boolean(entry.photo) === (lane === 'photos'));
    const before = ready.slice(0, Math.max(0, ready.indexOf(first)));
    const isRecent = (entry) => Date.now() - this.since.get(entry.id) < SLOW;
    return before.some((entry) => !entry.photo || isRecent(entry)) ? undefined : first;
  }

  async empty(lane) {
    if (this.busy[lane]) return;
    this.busy[lane] = true;
    let tries = 0;
    for (let entry = this.next(lane); entry; entry = this.next(lane)) {
      const wait = await this.attempt(entry);
      this.stuck[lane] = wait !== null;
      if (wait === null) {
        tries = 0;
        continue;
      }
      tries += 1;
      let wake;
      const woken = new Promise((resolve) => { wake = resolve; });
      this.wakes.add(wake);
      await Promise.race([pause(wait * 1000 || backOff(tries + 1, 30_000)), woken]);
      this.wakes.delete(wake);
    }
    this.busy[lane] = false;
    const other = lane === 'words' ? 'photos' : 'words';
    if (this.next(other)) this.empty(other);
  }

  // Answers null when it is settled, else the seconds to wait (0: as it seems best).
  async attempt(entry) {
    this.changed(entry, this.pace(entry));
    const cut = new AbortController();
    this.cuts.set(entry.id, cut);
    let answer;
    try {
      answer = await this.send(entry, cut.signal);
    } catch {
      if (!this.waiting.includes(entry)) return null;
      this.changed(entry, 'waiting');
      return 0;
    } finally {
      this.cuts.delete(entry.id);
    }
    if (answer.code === 200 && answer.status === 'committed') {
      this.drop(entry.id);
      this.committed(entry, answer);
      return null;
    }
    if (answer.error === 'no_session') {
      this.ended();
      return 60;
    }
    const isRefusal = answer.error && answer.code < 500;
    if (isRefusal && answer.code !== 429) {
      this.settle(entry, 'not_sent', answer.text);
      return null;
    }
    this.changed(entry, 'waiting', isRefusal ? answer.text : '');
    return answer.wait;
  }

  async send(entry, signal) {
    const { id, text, choice } = entry;
    if (!entry.photo) return post('/api/v1/messages', choice ? { id, choice } : { id, text }, signal);
    const photo = await this.photo(entry);
    if (!photo) return { code: 400, error: 'lost' };
    const form = new FormData();
    form.set('id', id);
    form.set('file', photo, 'photo.jpg');
    return post('/api/v1/messages', form, signal);
  }

  settle(entry, state, why = '') {
    Object.assign(entry, { state, why });
    keepUnsent(entry);
    this.changed(entry, state, why);
  }

  retry(entry) {
    delete entry.state;
    delete entry.why;
    keepUnsent(entry);
    this.hurry();
  }

  drop(id) {
    this.waiting = this.waiting.filter((entry) => entry.id !== id);
    dropUnsent(id);
    this.photos.delete(id);
    dropPhoto(id);
    if (this.cuts.has(id)) this.cuts.get(id).abort();
  }

  // The session ended: what was typed is offered again once there is another; a press is not.
  hold() {
    for (const entry of [...this.waiting]) {
      if (entry.choice) this.drop(entry.id);
      else if (!entry.state) keepUnsent({ ...entry, state: 'held' });
    }
  }
}
