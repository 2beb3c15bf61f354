// The API: a session, messages out (kept until committed), events in (none missed, none twice).
import { persona, recall, remember } from './memory.js';

const SILENCE = 45_000;
const PATIENCE = 20_000;
const PHOTO_PATIENCE = 120_000;

function address(path, query = {}) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  if (persona) url.searchParams.set('as', persona);
  return url;
}

async function post(path, body, patience = PATIENCE) {
  const form = body instanceof FormData;
  const response = await fetch(address(path), {
    method: 'POST',
    body: form ? body : JSON.stringify(body),
    headers: form ? {} : { 'Content-Type': 'application/json' },
    signal: AbortSignal.timeout(patience),
  });
  const answer = await response.json().catch(() => ({}));
  return { ...answer, status: response.status, wait: Number(response.headers.get('Retry-After')) || 0 };
}

export const openSession = (body = {}) => post('/api/v1/session', body);
export const moveClock = (advance) => post('/api/v1/demo/clock', { advance });

export function newId() {
  // crypto.randomUUID is withheld on plain http; this is not.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// Messages leave one at a time, in order, each with one id however often it is tried.
export class Outbox {
  constructor({ changed, refused, ended }) {
    Object.assign(this, { changed, refused, ended });
    this.waiting = recall('outbox', []);
    this.photos = new Map();
    this.busy = false;
    this.wake = () => {};
    addEventListener('online', () => this.wake());
  }

  add(message, photo) {
    const entry = { ...message, id: newId() };
    if (photo) this.photos.set(entry.id, photo);
    this.waiting.push(entry);
    this.keep();
    this.flush();
    return entry;
  }

  keep() {
    remember('outbox', this.waiting.filter((entry) => !entry.photo));
  }

  async flush() {
    if (this.busy) return;
    this.busy = true;
    let tries = 0;
    while (this.waiting.length) {
      const entry = this.waiting[0];
      const outcome = await this.attempt(entry);
      if (outcome === 'later') {
        tries += 1;
        this.changed(entry.id, 'waiting');
        await Promise.race([
          pause(Math.min(30_000, 1000 * 2 ** tries) * (0.7 + Math.random() * 0.6)),
          new Promise((resolve) => { this.wake = resolve; }),
        ]);
        continue;
      }
      tries = 0;
      this.waiting.shift();
      this.photos.delete(entry.id);
      this.keep();
      if (outcome === 'ended') break;
    }
    this.busy = false;
  }

  async attempt(entry) {
    this.changed(entry.id, 'sending');
    let answer;
    try {
      answer = entry.photo ? await this.sendPhoto(entry) : await this.sendWords(entry);
    } catch {
      return 'later';
    }
    if (answer.status === 200) {
      this.changed(entry.id, 'sent');
      return 'done';
    }
    if (answer.status === 429) {
      await pause(1000 * (answer.wait || 5));
      return 'later';
    }
    if (answer.status >= 500) return 'later';
    if (answer.error === 'no_session') {
      this.ended();
      return 'ended';
    }
    this.changed(entry.id, 'not_sent');
    this.refused(entry, answer.text);
    return 'refused';
  }

  sendWords({ id, text, choice }) {
    return post('/api/v1/messages', choice ? { id, choice } : { id, text });
  }

  async sendPhoto({ id }) {
    const photo = this.photos.get(id);
    if (!photo) return { status: 400, text: null };
    const form = new FormData();
    form.set('id', id);
    form.set('file', photo, 'photo.jpg');
    return post('/api/v1/messages', form, PHOTO_PATIENCE);
  }
}

// Reads events after the last one seen, again and again. Stops when the session has ended.
export async function listen({ onEvent, onState, onEnd }) {
  let last = 0;
  let tries = 0;
  let hurry = () => {};
  addEventListener('online', () => hurry());
  document.addEventListener('visibilitychange', () => { if (!document.hidden) hurry(); });
  for (;;) {
    const cut = new AbortController();
    try {
      const response = await fetch(address('/api/v1/events', { after: last }), {
        headers: { Accept: 'text/event-stream' }, cache: 'no-store', signal: cut.signal,
      });
      if (response.status === 403) return onEnd();
      if (!response.ok) throw new Error(response.status);
      onState('');
      for await (const event of eventsIn(response.body, cut)) {
        tries = 0;
        const transient = event.kind === 'toast' || event.kind === 'typing';
        if (!transient && event.id <= last) continue;
        if (!transient) last = event.id;
        onEvent(event);
      }
    } catch { /* cut: try again below */ }
    tries += 1;
    if (tries > 1) onState(navigator.onLine ? 'reconnecting' : 'offline');
    const delay = Math.min(20_000, 400 * 2 ** tries) * (0.7 + Math.random() * 0.6);
    await Promise.race([pause(delay), new Promise((resolve) => { hurry = resolve; })]);
  }
}

async function* eventsIn(body, cut) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const silence = setTimeout(() => cut.abort(), SILENCE);
    const { value, done } = await reader.read();
    clearTimeout(silence);
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split('\n').filter((line) => line.startsWith('data: '));
      if (data.length) yield JSON.parse(data.map((line) => line.slice(6)).join('\n'));
    }
  }
}
