// The page: a start screen, then the conversation.
import { forgetAll, persona, recall, remember } from './memory.js';
import { listen, moveClock, openSession, Outbox } from './net.js';
import { shrink } from './photo.js';
import * as view from './view.js';

const MOST_PHOTOS = 5;
const { words } = view;
const by = (id) => document.getElementById(id);
const text = by('text');
const touch = matchMedia('(pointer: coarse)').matches;
let listening = false;

const outbox = new Outbox({
  changed: view.mark,
  ended: end,
  refused(entry, why) {
    view.complain(entry.photo && why === null ? words.photo_lost : why);
    if (entry.choice) view.reopen(entry.message);
    else if (entry.text && !text.value) setDraft(entry.text);
  },
});

function setDraft(value) {
  text.value = value;
  remember('typed', value);
  grow();
}

function grow() {
  text.style.height = 'auto';
  text.style.height = `${text.scrollHeight + 2}px`;
}

function send(words_, choice) {
  const { id } = outbox.add({ text: words_, ...choice });
  view.say(id, choice?.label ?? words_);
}

function choose({ choice, label, message }) {
  send(undefined, { choice, label, message });
}

async function sendPhotos(files) {
  if (files.length > MOST_PHOTOS) return view.complain(words.too_many_photos);
  for (const file of files) {
    const small = await shrink(file);
    const { id } = outbox.add({ photo: true }, small);
    view.say(id, words.photo);
  }
  return undefined;
}

function showStart(ended) {
  by('chat').hidden = true;
  by('more').hidden = true;
  by('start').hidden = false;
  by('ended').hidden = !ended;
}

function end() {
  forgetAll();
  remember('ended', true);
  location.reload();
}

function chat() {
  by('start').hidden = true;
  by('chat').hidden = false;
  by('more').hidden = false;
  remember('open', true);
  setDraft(recall('typed', ''));
  view.replayUnanswered();
  if (listening) return;
  listening = true;
  listen({
    onEvent: (event) => view.show(event, choose),
    onState: (state) => { by('state').textContent = words[state] ?? ''; },
    onEnd: end,
  });
  outbox.flush();
}

async function enter(body) {
  by('start-error').textContent = '';
  try {
    const answer = await openSession(body);
    if (answer.status === 200) return chat();
    by('start-error').textContent = answer.text ?? words.failed;
  } catch {
    by('start-error').textContent = words.offline;
  }
  return undefined;
}

function start() {
  const code = new URLSearchParams(location.hash.slice(1)).get('code');
  if (code) {
    history.replaceState(null, '', location.pathname + location.search);
    by('code').value = code;
    by('code-details').open = true;
    by('invited').hidden = false;
    return showStart();
  }
  if (recall('open')) return chat();
  const ended = recall('ended', false);
  forgetAll();
  return persona ? enter({ persona }) : showStart(ended);
}

by('begin').addEventListener('click', () => enter({}));
by('code-form').addEventListener('submit', (event) => {
  event.preventDefault();
  enter({ code: by('code').value });
});
by('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  if (!text.value.trim()) return;
  send(text.value);
  setDraft('');
  text.focus();
});
text.addEventListener('input', () => { remember('typed', text.value); grow(); });
text.addEventListener('keydown', (event) => {
  const alone = event.key === 'Enter' && !event.shiftKey && !event.isComposing;
  if (alone && !touch) {
    event.preventDefault();
    by('composer').requestSubmit();
  }
});
by('photo').addEventListener('change', () => {
  sendPhotos([...by('photo').files]);
  by('photo').value = '';
});
for (const button of document.querySelectorAll('[data-say]')) {
  button.addEventListener('click', () => {
    by('more').open = false;
    send(button.dataset.say);
  });
}
by('enter-code').addEventListener('click', () => {
  by('more').open = false;
  showStart();
  by('code-details').open = true;
  by('code').focus();
});
for (const link of document.querySelectorAll('[data-persona]')) {
  if (link.dataset.persona === persona) link.setAttribute('aria-current', 'page');
}
for (const button of document.querySelectorAll('[data-advance]')) {
  button.addEventListener('click', async () => {
    const { now } = await moveClock(button.dataset.advance).catch(() => ({}));
    const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: 'medium', timeStyle: 'short' });
    if (now) by('now').textContent = format.format(new Date(now));
  });
}
start();
