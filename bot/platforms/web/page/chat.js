// The page: a start screen, then the conversation.
import { button, isVoice, words } from './bubbles.js';
import { isTouch, onSubmit, restoreDraft, setDraft, text } from './composer.js';
import {
  forget, forgetAll, forgetHere, persona, recall, recallHere, remember, rememberHere, watchOtherTabs,
} from './memory.js';
import { history as older, listen, newId, openSession } from './net.js';
import { Outbox } from './outbox.js';
import { dropPhotos, shrink } from './photo.js';
import * as view from './view.js';

const MOST_PHOTOS = 5;
const by = (id) => document.getElementById(id);

// What is on its way

const outbox = new Outbox({
  changed: show,
  committed(entry, answer) {
    if ('left' in answer) return leave(answer.left);
    if (view.isShown(entry.id)) view.mark(entry, 'sent');
    if (entry.choice) view.reopen(entry.message);
    return undefined;
  },
  ended: end,
});

// A press shows in its button; its own bubble comes with the answer, or when it has to wait.
async function show(entry, state, why) {
  if (entry.choice && state === 'sending' && !view.isShown(entry.id)) return;
  if (entry.choice && state !== 'sending') view.reopen(entry.message);
  const photo = entry.photo && !view.isShown(entry.id) ? await outbox.photo(entry) : undefined;
  const reason = entry.photo && state === 'not_sent' ? why || words.photo_lost : why;
  view.mark(entry, state, { why: reason, actions: actionsFor(entry, state), photo });
  if (state === 'not_sent') view.notify(reason || words.failed);
  else if (reason) view.notify(reason, true);
}

function actionsFor(entry, state) {
  const cancel = () => { outbox.drop(entry.id); view.unsay(entry.id); text.focus(); };
  const small = { class: 'small' };
  if (state === 'waiting' || (state === 'sending' && entry.photo)) return [button(words.cancel_sending, cancel, small)];
  if (state !== 'held' && state !== 'not_sent') return [];
  const again = state === 'held' ? words.send_now : words.retry;
  const actions = [button(words.remove, cancel, small)];
  if (!outbox.isLost(entry)) actions.unshift(button(again, () => outbox.retry(entry), small));
  if (entry.text && !text.value) {
    actions.unshift(button(words.edit, () => { setDraft(entry.text); cancel(); }, small));
  }
  return actions;
}

function send(message, photo) {
  const entry = outbox.add(message, photo);
  view.expectAnswer(entry.id);
  show(entry, outbox.pace(entry));
  outbox.flush();
}

const choose = (pressed) => send(pressed);

async function sendPhotos(files) {
  if (files.length > MOST_PHOTOS) view.notify(words.too_many_photos);
  for (const file of files.slice(0, MOST_PHOTOS)) {
    const isSent = file.type === 'application/pdf' || isVoice(file); // as it is
    const small = isSent ? file : await shrink(file).catch(() => null);
    if (small) send({ photo: true }, small);
    else view.notify(words.photo_unreadable);
  }
}

// Coming in, and going

// The session is over, but nobody asked to leave: what was typed stays, and is offered again.
let isEnding = false;
async function end() {
  if (isEnding) return;
  isEnding = true;
  if (persona) {
    const answer = await openSession({ persona }).catch(() => ({}));
    if (answer.status === 'open') return location.reload();
    isEnding = false;
    return setTimeout(end, 5000);
  }
  outbox.hold();
  forget('open');
  rememberHere('ended', words.ended);
  return location.reload();
}

// Somebody left: nothing stays, in no tab.
async function leave(farewell) {
  isEnding = true;
  await dropPhotos();
  forgetAll();
  remember('left', true); // the other tabs hear it
  forget('left');
  rememberHere('ended', farewell);
  location.reload();
}

function chat() {
  by('start').hidden = true;
  by('chat').hidden = false;
  by('more').hidden = false;
  by('skip').hidden = false;
  document.body.classList.remove('starting');
  remember('open', true);
  restoreDraft();
  for (const entry of outbox.waiting) show(entry, entry.state || 'waiting', entry.why);
  let oldest = null;
  const ask = by('older');
  listen({
    onEvent(event) {
      if (oldest === null && event.message) {
        oldest = event.id;
        ask.hidden = oldest <= 1;
      }
      view.tell(event, choose);
    },
    onCaughtUp: view.caughtUp,
    onState(state) { by('state').textContent = words[state] || ''; },
    onEnd: end,
  });
  ask.addEventListener('click', async () => {
    const events = await older(oldest).catch(() => null);
    if (!events) return view.notify(words.failed);
    oldest = events.length ? events[0].id : 1;
    return view.tellOlder(events, choose, () => {
      if (oldest <= 1) by('log').focus({ preventScroll: true });
      ask.hidden = oldest <= 1;
    });
  });
  outbox.open();
}

let isEntering = false;
async function enter(body) {
  if (isEntering) return;
  isEntering = true;
  by('start-error').textContent = '';
  const answer = await openSession(body).catch(() => ({ text: words.unreachable }));
  isEntering = false;
  if (answer.status !== 'open') {
    by('start-error').textContent = answer.text || words.failed;
  } else if (by('code-dialog').hasAttribute('open')) { // another conversation may be open now
    forgetAll();
    await dropPhotos();
    remember('open', true);
    location.reload();
  } else {
    chat();
    (isTouch ? by('log') : text).focus();
  }
}

// A code, before the conversation or over it

const attempts = new Map(); // code → id: given again after a lost answer, it is the same request

// The code of a link stands after #, so that no server on the way keeps it. It is an invitation's: with the
// return code of somebody else, what is written next would go into their conversation.
const INVITATION = /^([2-9B-DF-HJKMNP-RTV-XZ]{4}-){3}[2-9B-DF-HJKMNP-RTV-XZ]{4}$/i;
let linked = '';
function codeOfLink() {
  const code = new URLSearchParams(location.hash.slice(1)).get('code');
  if (!code) return '';
  history.replaceState(null, '', location.pathname + location.search);
  linked = INVITATION.test(code) ? code : '';
  return linked;
}

function openCode(code = '') {
  const dialog = by('code-dialog');
  by('code').value = code;
  by('invited').hidden = !code;
  by('code-details').open = true;
  if (by('chat').hidden) return by('code').focus();
  by('code-here').append(by('entry'));
  if (dialog.showModal) dialog.showModal();
  else dialog.setAttribute('open', '');
  return by('code').focus();
}

function closeCode() {
  const dialog = by('code-dialog');
  if (dialog.close) dialog.close();
  else dialog.removeAttribute('open');
  text.focus();
}

function start() {
  by('slow').remove();
  by('begin').disabled = false;
  document.body.classList.add('ready');
  const code = codeOfLink();
  const said = recallHere('ended');
  rememberHere('ended', '');
  if (recall('open')) chat();
  else if (persona && !code && !said) enter({ persona });
  by('ended').hidden = !said;
  by('ended').textContent = said || '';
  if (code) openCode(code);
}

by('begin').addEventListener('click', () => enter(persona ? { persona } : {}));
by('code-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const code = by('code').value;
  if (!attempts.has(code)) attempts.set(code, newId());
  enter({ code, id: attempts.get(code), link: code === linked });
});
by('code-back').addEventListener('click', closeCode);
by('code-dialog').addEventListener('click', (event) => { if (event.target === by('code-dialog')) closeCode(); });
onSubmit((words_) => send({ text: words_ }), () => view.notify(words.nothing_typed, true));
text.addEventListener('keydown', (event) => {
  if (event.key === 'ArrowUp' && !text.value && view.moveAmongChoices(null, 0)) event.preventDefault();
});
by('log').addEventListener('keydown', (event) => {
  const from = event.target.closest('.choices button');
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (from && step) event.preventDefault();
  if (from && step && !view.moveAmongChoices(from, step) && step > 0) text.focus();
  if (event.key === 'Escape') text.focus();
});
by('photo').addEventListener('change', () => {
  const files = [...by('photo').files];
  by('photo').value = '';
  sendPhotos(files);
});
by('skip').addEventListener('click', (event) => {
  event.preventDefault();
  text.focus();
});

const more = by('more');
for (const item of document.querySelectorAll('[data-say]')) {
  item.addEventListener('click', () => {
    more.open = false;
    more.querySelector('summary').focus();
    send({ text: item.dataset.say });
  });
}
by('enter-code').addEventListener('click', () => {
  more.open = false;
  openCode();
});
document.addEventListener('click', (event) => { if (!more.contains(event.target)) more.open = false; });
more.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !more.open) return;
  more.open = false;
  more.querySelector('summary').focus();
});
for (const link of document.querySelectorAll('a[hreflang]')) {
  const there = new URL(location.href);
  there.searchParams.set('lang', link.hreflang);
  link.href = there.pathname + there.search;
}
addEventListener('hashchange', () => {
  const code = codeOfLink();
  if (code) openCode(code);
});
watchOtherTabs({
  dropped(id) {
    outbox.waiting = outbox.waiting.filter((entry) => entry.id !== id);
    view.unsay(id);
  },
  left() {
    isEnding = true;
    forgetHere();
    location.reload();
  },
});
start();
