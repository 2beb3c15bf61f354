// The log: turns in the order of the conversation. A turn is an answer with the words it answers,
// or words that still wait for their answer: these stay after all others.
import { dayOf, element, fill, label, mine, reopen as reopenIn, words } from './bubbles.js';
import { arrived, changed, keepPlace, reveal } from './scroll.js';

const log = document.getElementById('log');
const answers = new Map(); // message → { bubble, event }
const gone = new Set(); // messages deleted
const own = new Map(); // client's id → the person's own bubble
const expected = new Set(); // client's ids whose answer is to be shown
let isReplay = true;

const turnOf = (bubble) => bubble.parentElement;
const turns = () => [...log.querySelectorAll('.turn')];

// Own words that name a menu item read as its label, also after a reload.
const labels = new Map();
for (const one of document.querySelectorAll('[data-say]')) labels.set(one.dataset.say, one.textContent);
export const shown = (text) => labels.get(text) || text;

function separate(turn) {
  for (const one of [turn, turn.nextElementSibling]) {
    if (!one) continue;
    const before = one.previousElementSibling;
    const isNew = !before || before.dataset.day !== one.dataset.day;
    const there = one.querySelector('.day');
    if (there && !isNew) there.remove();
    if (!there && isNew) one.prepend(element('h2', { class: 'day' }, one.dataset.day));
  }
}

function put(turn, before = log.querySelector('.pending')) {
  log.insertBefore(turn, before);
  separate(turn);
}

function take(turn) {
  const next = turn.nextElementSibling;
  turn.remove();
  if (next) separate(next);
}

function turnFor(message, at) {
  const turn = element('div', { class: 'turn', 'data-day': dayOf(at) });
  turn.dataset.message = message;
  const later = turns().filter((one) => Number(one.dataset.message) > message);
  put(turn, later[0]);
  return turn;
}

export function tell(event, choose) {
  if (event.kind === 'toast') return notify(event.text, true);
  if (event.kind === 'typing') return notify(`${words.typing}…`, true);
  const { id, kind, message } = event;
  if (gone.has(message)) return undefined;
  if (kind === 'delete') return remove(message);
  const known = answers.get(message);
  const isStale = known && known.event.id > id;
  if (!known && !event.html && !event.files.length) return undefined; // it was erased since
  const bubble = known ? known.bubble : element('article', { class: 'bubble' });
  if (!known) turnFor(message, event.at).append(bubble);
  if (!isStale) {
    answers.set(message, { bubble, event });
    if (known) bubble.setAttribute('aria-live', event.said ? 'polite' : 'off'); // a card may count up
    fill(bubble, event, choose);
  }
  if (event.said) answered(event.said, bubble, kind);
  restOlderChoices();
  if (isReplay) return undefined;
  const isExpected = Boolean(event.said) && expected.delete(event.said.id);
  if (!known) arrived(bubble, isExpected);
  else if (isExpected) changed(bubble);
  return undefined;
}

export const expectAnswer = (id) => expected.add(id);

// An answer came. When it changes the pressed message in place, the message itself says what was said.
function answered(said, bubble, kind) {
  const waiting = own.get(said.id);
  const turn = waiting && turnOf(waiting);
  if (kind === 'edit') {
    if (turn && turn.matches(':not([data-message])')) take(turn);
    return;
  }
  if (!waiting && !said.text && !said.photos && !said.voices) return; // an old button, pressed on another page
  const text = shown(said.text) || (said.voices ? words.voice : words.photo);
  const words_ = waiting || mine(text);
  own.set(said.id, words_);
  bubble.before(words_);
  label(words_, said.at, 'sent', '', []);
  if (turn && turn !== turnOf(bubble)) take(turn);
  choose(turnOf(bubble), said.text);
}

// Mark the choice that was made, in the newest message before its answer that offered it.
function choose(turn, text) {
  for (let one = turn.previousElementSibling; one; one = one.previousElementSibling) {
    const buttons = [...one.querySelectorAll('.choices button')];
    const pressed = buttons.find((button) => button.dataset.label === text);
    if (!pressed) continue;
    for (const button of buttons) button.removeAttribute('aria-pressed');
    pressed.setAttribute('aria-pressed', 'true');
    return;
  }
}

// Only the newest choices are stops of the Tab key; the arrows reach the others.
function restOlderChoices() {
  const lists = [...log.querySelectorAll('.choices')];
  const newest = lists.pop();
  const rest = (list, stop) => list.querySelectorAll('button').forEach((one) => { one.tabIndex = stop; });
  for (const list of lists) rest(list, -1);
  if (newest) rest(newest, 0);
}

export function moveAmongChoices(from, step) {
  const all = [...log.querySelectorAll('.choices button')];
  const newest = log.querySelectorAll('.choices');
  if (!all.length) return false;
  const next = from ? all[all.indexOf(from) + step] : newest[newest.length - 1].querySelector('button');
  if (next) next.focus();
  return Boolean(next);
}

function remove(message) {
  gone.add(message);
  const known = answers.get(message);
  if (known) take(turnOf(known.bubble));
  answers.delete(message);
}

// Own words on their way. `actions` are buttons.
export function mark({ id, at, text, label: pressed }, state, { why = '', actions = [], photo } = {}) {
  let bubble = own.get(id);
  if (bubble && turnOf(bubble) && turnOf(bubble).dataset.message) return; // answered already
  if (!bubble || !turnOf(bubble)) {
    bubble = mine(pressed || shown(text) || words.photo, photo);
    own.set(id, bubble);
    const turn = element('div', { class: 'turn pending', 'data-day': dayOf(at) }, bubble);
    put(turn, null);
    if (!isReplay) reveal(bubble);
  }
  turnOf(bubble).classList.toggle('pending', state !== 'sent');
  label(bubble, at, state, why, actions);
}

export const isShown = (id) => own.has(id) && Boolean(turnOf(own.get(id)));

export function unsay(id) {
  const bubble = own.get(id);
  if (bubble && turnOf(bubble) && !turnOf(bubble).dataset.message) take(turnOf(bubble));
  own.delete(id);
}

export function reopen(message) {
  const known = answers.get(message);
  if (known) reopenIn(known.bubble);
}

// All that was there is told: from now on what comes is read out. The newest open question is shown.
export function caughtUp() {
  if (!isReplay) return;
  isReplay = false;
  const all = turns();
  const last = all.filter((turn) => turn.querySelector('.mine')).pop();
  const since = all.slice(Math.max(0, all.indexOf(last)));
  const asking = since.filter((turn) => turn.querySelector('.choices')).pop() || since[0];
  if (asking) reveal(asking.querySelector('.bubble:not(.mine)') || asking.querySelector('.bubble'));
  log.setAttribute('aria-busy', 'false');
  log.setAttribute('aria-live', 'polite');
}

// Older messages come above what is read, in silence.
export function tellOlder(events, choose_, meanwhile) {
  log.setAttribute('aria-live', 'off');
  isReplay = true;
  keepPlace(() => {
    meanwhile();
    events.forEach((event) => tell(event, choose_));
  });
  isReplay = false;
  setTimeout(() => log.setAttribute('aria-live', 'polite'), 500);
}

const notice = document.getElementById('notice');
let fading;

// The one place of toasts and errors; an error stays longer.
export function notify(text, passes = false) {
  clearTimeout(fading);
  notice.textContent = text;
  notice.classList.toggle('error', !passes);
  fading = setTimeout(() => { notice.textContent = ''; }, passes ? 6000 : 20_000);
}
