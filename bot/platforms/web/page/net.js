// The API: posts, and the stream of events, of which none is missed and none told twice.
// A school's filter or a station's portal may answer in our place: only our own JSON is believed.
import { persona } from './memory.js';

const PATIENCE = 20_000; // ms without any progress
const SILENCE = 45_000; // ms; the server says « alive » every 15 s
const HIDDEN = 300_000; // ms after which a page nobody sees stops listening: browsers allow six a host
const FIRST = 40; // events told when the page opens

export function address(path, query = {}) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  if (persona) url.searchParams.set('as', persona);
  return url;
}

function parsed(text) {
  try {
    return JSON.parse(text) || {};
  } catch {
    return {};
  }
}

// Answers { code, wait, …the JSON }. XMLHttpRequest, for it tells how an upload goes on.
export function post(path, body, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const asked = address(path).href;
    const isForm = body instanceof FormData;
    let timer;
    const progress = () => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), PATIENCE);
    };
    request.open('POST', asked);
    if (!isForm) request.setRequestHeader('Content-Type', 'application/json');
    request.upload.onprogress = progress;
    request.onprogress = progress;
    request.onloadend = () => {
      clearTimeout(timer);
      if (!request.status || request.responseURL !== asked) return reject(new Error('no answer of ours'));
      const wait = Number(request.getResponseHeader('Retry-After')) || 0;
      return resolve({ ...parsed(request.responseText), code: request.status, wait });
    };
    if (signal) signal.addEventListener('abort', () => request.abort());
    progress();
    request.send(isForm ? body : JSON.stringify(body));
  });
}

export const openSession = (body = {}) => post('/api/v1/session', body);

export async function history(before) {
  const response = await fetch(address('/api/v1/history', { before, most: FIRST }), { redirect: 'error' });
  const { events } = await response.json();
  return events;
}

export function newId() {
  // crypto.randomUUID is withheld on plain http; this is not.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
export const backOff = (tries, most) => Math.min(most, 500 * 2 ** tries) * (0.7 + Math.random() * 0.6);

// Reads events after the last one told, again and again, until the session has ended.
export async function listen({ onEvent, onCaughtUp, onState, onEnd }) {
  let last = null;
  let tries = 0;
  let cut = new AbortController();
  let hurry = () => {};
  let falling;
  let asleep = false;
  const again = () => { cut.abort(); hurry(); };
  addEventListener('online', again);
  addEventListener('offline', () => onState('offline'));
  addEventListener('pageshow', (event) => { if (event.persisted) again(); });
  document.addEventListener('visibilitychange', () => {
    clearTimeout(falling);
    if (document.hidden) falling = setTimeout(() => { asleep = true; cut.abort(); }, HIDDEN);
    else if (asleep) { asleep = false; hurry(); }
  });
  const heed = (block) => {
    if (block === ': caught up') onCaughtUp();
    const lines = block.split('\n').filter((line) => line.startsWith('data: '));
    if (!lines.length) return;
    const event = JSON.parse(lines.map((line) => line.slice(6)).join('\n'));
    const passing = event.kind === 'toast' || event.kind === 'typing';
    if (!passing && last !== null && event.id <= last) return;
    if (!passing) last = event.id;
    onEvent(event);
  };
  for (;;) {
    cut = new AbortController();
    const alive = () => { tries = 0; onState(''); };
    try {
      const after = last === null ? { last: FIRST } : { after: last };
      if (await read(address('/api/v1/events', after), cut, alive, heed) === 'ended') return onEnd();
    } catch { /* cut: tried again below */ }
    tries += 1;
    if (!navigator.onLine) onState('offline');
    else if (tries > 1) onState('reconnecting');
    const hurried = new Promise((resolve) => { hurry = resolve; });
    await (asleep ? hurried : Promise.race([pause(backOff(tries, 20_000)), hurried]));
  }
}

async function read(url, cut, alive, heed) {
  let silence;
  const wait = () => {
    clearTimeout(silence);
    silence = setTimeout(() => cut.abort(), SILENCE);
  };
  wait(); // a stream may also never begin
  try {
    const response = await fetch(url, {
      headers: { Accept: 'text/event-stream' }, cache: 'no-store', redirect: 'error', signal: cut.signal,
    });
    if (response.status === 403 && parsed(await response.text()).error === 'no_session') return 'ended';
    const type = response.headers.get('Content-Type') || '';
    if (!response.ok || !type.startsWith('text/event-stream')) throw new Error(response.status);
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return 'cut';
      wait();
      alive();
      const blocks = (rest + decoder.decode(value, { stream: true })).split('\n\n');
      rest = blocks.pop();
      blocks.forEach(heed);
    }
  } finally {
    clearTimeout(silence);
    cut.abort();
  }
}
