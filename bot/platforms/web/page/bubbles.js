// What a bubble is made of. Markup is rebuilt from a short list of tags, never trusted.
import { address } from './net.js';

const ALLOWED = ['B', 'I', 'EM', 'U', 'S', 'A', 'CODE', 'PRE', 'BLOCKQUOTE', 'BR'];

export const words = JSON.parse(document.getElementById('words').textContent);
const language = document.documentElement.lang;
const hour = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit' });
const whole = new Intl.DateTimeFormat(language, {
  weekday: 'long', day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit',
});
const date = new Intl.DateTimeFormat(language, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function refill(parent, ...children) { // replaceChildren, for older browsers
  parent.textContent = '';
  parent.append(...children);
}

export function button(label, press, attributes = {}) {
  const made = element('button', { type: 'button', ...attributes }, label);
  made.addEventListener('click', () => press(made));
  return made;
}

const unseen = (text) => element('span', { class: 'unseen' }, text);

function rebuilt(nodes) {
  const made = document.createDocumentFragment();
  for (const node of nodes) {
    if (node.nodeType === Node.TEXT_NODE) made.append(node.textContent);
    else if (ALLOWED.includes(node.nodeName)) {
      const copy = element(node.nodeName.toLowerCase());
      const href = node.getAttribute('href') || '';
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

export const dayOf = (at) => date.format(new Date(at));

export function stamp(at) {
  return element('time', { datetime: at, title: whole.format(new Date(at)) }, hour.format(new Date(at)));
}

// On plain http the clipboard is withheld: the old way, or at least the code stands selected.
function copyButton(code) {
  return button(words.copy, async (pressed) => {
    getSelection().selectAllChildren(code);
    const old = () => document.execCommand('copy');
    const isCopied = await (navigator.clipboard
      ? navigator.clipboard.writeText(code.textContent).then(() => true, old)
      : old());
    pressed.textContent = isCopied ? words.copied : words.selected;
  }, { class: 'small', 'aria-live': 'polite' });
}

function choicesOf(event, choose) {
  const list = element('ol', { class: 'choices' });
  event.choices.forEach(({ id, label }, position) => {
    const made = button(`${position + 1}. ${label}`, () => {
      if (made.getAttribute('aria-disabled') === 'true') return;
      for (const one of list.querySelectorAll('button')) one.setAttribute('aria-disabled', 'true');
      made.setAttribute('aria-busy', 'true');
      choose({ choice: id, label, message: event.message });
    }, { dir: 'auto' });
    made.dataset.label = label;
    list.append(element('li', {}, made));
  });
  return list;
}

// A press was answered: the choices of its message can be pressed again.
export function reopen(bubble) {
  for (const one of bubble.querySelectorAll('.choices button')) {
    one.removeAttribute('aria-disabled');
    one.removeAttribute('aria-busy');
  }
}

function attachment({ url, name, type }) {
  const link = element('a', { href: address(url), target: '_blank', rel: 'noopener' });
  if (type.startsWith('image/')) link.append(element('img', { src: address(url), alt: name }));
  else link.append(type === 'application/pdf' ? `${words.download} : ${name}` : name);
  if (type !== 'audio/ogg') return link;
  const sound = { controls: '', preload: 'none', src: address(url), 'aria-label': name };
  return element('div', {}, link, element('audio', sound));
}

// What Préau says. Filled anew, the focus stays on the choice where it was.
export function fill(bubble, event, choose) {
  const buttons = () => [...bubble.querySelectorAll('.choices button')];
  const focused = buttons().indexOf(document.activeElement);
  const body = element('div', { class: 'body', dir: 'auto' }, parsed(event.html));
  for (const code of body.querySelectorAll('code')) code.after(' ', copyButton(code));
  refill(bubble, unseen(`${words.bot} : `), body, ...event.files.map(attachment));
  if (event.choices.length) bubble.append(choicesOf(event, choose));
  bubble.append(element('small', {}, stamp(event.at)));
  const again = buttons()[focused] || buttons().pop();
  if (focused >= 0 && again) again.focus({ preventScroll: true });
}

// A recording, by its type or name: browsers do not agree. Préau looks at its content.
export const isVoice = ({ name, type }) => /^audio\/(ogg|opus)|\.(og[ag]|opus)$/i.test(`${type} ${name || ''}`);

const nameOf = (file) => (isVoice(file) ? words.voice : file.name || 'PDF');

// What the person said. How it travels is shown, but not read out by the log.
export function mine(text, photo) {
  const bubble = element('article', { class: 'bubble mine', dir: 'auto', 'aria-live': 'off' });
  const isDocument = photo && (isVoice(photo) || !photo.type.startsWith('image/'));
  bubble.append(unseen(`${words.me} : `), isDocument ? nameOf(photo) : text);
  if (photo && !isDocument) {
    const url = URL.createObjectURL(photo);
    bubble.append(element('img', { src: url, alt: '', class: 'thumbnail' }));
  }
  bubble.append(element('small'), element('div', { class: 'actions' }));
  return bubble;
}

export function label(bubble, at, state, why, actions) {
  bubble.classList.toggle('lost', state === 'not_sent');
  const small = bubble.querySelector('small');
  refill(small, stamp(at), ' ', words[state] || '');
  if (why) small.append(element('span', { class: 'why' }, why));
  refill(bubble.querySelector('.actions'), ...actions);
}
