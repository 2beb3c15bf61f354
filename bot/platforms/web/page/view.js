// Bubbles, choices and pictures. Markup is rebuilt from a short list of tags, never trusted.
import { recall, remember } from './memory.js';

const ALLOWED = new Set(['B', 'I', 'U', 'S', 'A', 'CODE', 'PRE', 'BLOCKQUOTE', 'BR']);
const KEPT = 60;

export const words = JSON.parse(document.getElementById('words').textContent);
const log = document.getElementById('log');
const bubbles = new Map();
const mine = recall('mine', []);
let newest = 0;

const language = document.documentElement.lang;
const hour = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit' });
const whole = new Intl.DateTimeFormat(language, { dateStyle: 'full', timeStyle: 'short' });

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function rebuilt(nodes) {
  const made = document.createDocumentFragment();
  for (const node of nodes) {
    if (node.nodeType === Node.TEXT_NODE) made.append(node.textContent);
    else if (ALLOWED.has(node.nodeName)) {
      const copy = element(node.nodeName.toLowerCase());
      const href = node.getAttribute('href') ?? '';
      if (node.nodeName === 'A' && /^(https?:|mailto:)/.test(href)) {
        copy.href = href;
        copy.rel = 'noopener noreferrer';
        copy.target = '_blank';
      }
      copy.append(rebuilt(node.childNodes));
      made.append(copy);
    } else if (node.nodeType === Node.ELEMENT_NODE) made.append(rebuilt(node.childNodes));
  }
  return made;
}

const parsed = (html) => rebuilt(new DOMParser().parseFromString(html, 'text/html').body.childNodes);

function stamp(at) {
  const time = element('time', { datetime: at, title: whole.format(new Date(at)) });
  time.textContent = hour.format(new Date(at));
  return time;
}

function choicesOf(event, choose) {
  const list = element('ol', { class: 'choices' });
  event.choices.forEach(({ id, label }, position) => {
    const button = element('button', { type: 'button', dir: 'auto' }, `${position + 1}. ${label}`);
    button.addEventListener('click', () => {
      if (button.disabled) return;
      for (const other of list.querySelectorAll('button')) other.disabled = true;
      button.setAttribute('aria-pressed', 'true');
      choose({ choice: id, label, message: event.message });
    });
    list.append(element('li', {}, button));
  });
  return list;
}

function pictures(files) {
  return files.map(({ url, name, type }) => {
    const address = new URL(url, location.origin);
    const as = new URLSearchParams(location.search).get('as');
    if (as) address.searchParams.set('as', as);
    const link = element('a', { href: address, target: '_blank', rel: 'noopener' });
    if (type.startsWith('image/')) link.append(element('img', { src: address, alt: name }));
    else link.textContent = `${words.download} : ${name}`;
    return link;
  });
}

function place(bubble) {
  const near = log.scrollHeight - log.scrollTop - log.clientHeight < 200;
  log.append(bubble);
  if (near) reveal(bubble);
  for (const picture of bubble.querySelectorAll('img')) {
    picture.addEventListener('load', () => { if (near && bubble === log.lastElementChild) reveal(bubble); });
  }
}

// A short bubble is shown whole; of a long one, its beginning.
function reveal(bubble) {
  const top = bubble.offsetTop - 8; // the log is what bubbles are placed in
  log.scrollTop = Math.min(top, log.scrollHeight);
}

export function toEnd() {
  log.scrollTop = log.scrollHeight;
}

function fill(bubble, event, choose) {
  const who = element('span', { class: 'unseen' }, `${words.bot} : `);
  const body = element('div', { class: 'body', dir: 'auto' });
  body.append(parsed(event.html));
  bubble.replaceChildren(who, body, ...pictures(event.files));
  if (event.choices.length) bubble.append(choicesOf(event, choose));
  bubble.append(element('small', {}, stamp(event.at)));
}

export function show(event, choose) {
  const { kind, message } = event;
  const known = bubbles.get(message);
  document.getElementById('typing')?.remove();
  if (kind === 'toast') return notify(event.text);
  if (kind === 'typing') return typing();
  if (kind === 'delete') {
    known?.remove();
    bubbles.delete(message);
    forgetAnswersTo(message);
  } else if (known) fill(known, event, choose);
  else {
    newest = message;
    const bubble = element('article', { class: 'bubble' });
    fill(bubble, event, choose);
    bubbles.set(message, bubble);
    place(bubble);
    for (const said of mine.filter((one) => one.after === message && one.state === 'sent')) replay(said);
  }
  return undefined;
}

function replay(said) {
  if (!document.getElementById(`m${said.id}`)) place(myBubble(said));
}

export function replayUnanswered() {
  for (const said of mine.filter((one) => !bubbles.has(one.after) || one.state !== 'sent')) replay(said);
}

function notify(text) {
  const toast = element('p', { class: 'bubble toast' }, text);
  place(toast);
  setTimeout(() => toast.remove(), 6000);
}

function typing() {
  const bubble = element('p', { class: 'bubble toast', id: 'typing' }, `${words.typing}…`);
  place(bubble);
  setTimeout(() => bubble.remove(), 10_000);
}

function myBubble({ id, text, state, at }) {
  const bubble = element('article', { class: 'bubble mine', id: `m${id}`, dir: 'auto' });
  bubble.append(element('span', { class: 'unseen' }, `${words.me} : `), text, element('small', {}, stamp(at), ' ', element('span', {}, words[state] ?? '')));
  return bubble;
}

export function say(id, text) {
  const said = { id, text, state: 'sending', at: new Date().toISOString(), after: newest };
  mine.push(said);
  mine.splice(0, mine.length - KEPT);
  remember('mine', mine);
  place(myBubble(said));
  toEnd();
}

export function mark(id, state) {
  const said = mine.find((one) => one.id === id);
  if (said) said.state = state;
  remember('mine', mine);
  const bubble = document.getElementById(`m${id}`);
  bubble?.classList.toggle('lost', state === 'not_sent');
  const label = bubble?.querySelector('small span');
  if (label) label.textContent = words[state];
}

export function complain(text) {
  place(element('p', { class: 'bubble', role: 'alert' }, text ?? words.failed));
  toEnd();
}

export function reopen(message) {
  for (const button of bubbles.get(message)?.querySelectorAll('.choices button') ?? []) {
    button.disabled = false;
    button.removeAttribute('aria-pressed');
  }
}

function forgetAnswersTo(message) {
  for (const said of mine.filter((one) => one.after === message)) {
    document.getElementById(`m${said.id}`)?.remove();
    mine.splice(mine.indexOf(said), 1);
  }
  remember('mine', mine);
}
