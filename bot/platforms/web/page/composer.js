// Where one writes, and how much height that leaves to the rest.
import { draft, keepDraft } from './memory.js';

export const text = document.getElementById('text');
export const isTouch = matchMedia('(pointer: coarse)').matches;
const form = document.getElementById('composer');
const chat = document.getElementById('chat');
const seen = window.visualViewport;

export function setDraft(value) {
  text.value = value;
  keepDraft(value);
  fit();
}

export const restoreDraft = () => setDraft(draft());

function grow() {
  text.style.height = 'auto';
  text.style.height = `${text.scrollHeight + 2}px`;
}

// The page is as high as what is seen of it: some keyboards cover it without making it smaller.
// Whether that is low for its letters is measured, as a media query knows no text zoom.
function fit() {
  const height = seen && seen.scale === 1 ? seen.height : innerHeight;
  const letter = parseFloat(getComputedStyle(document.documentElement).fontSize);
  document.body.classList.toggle('low', height < 30 * letter);
  if (!chat.hidden) {
    document.body.style.height = `${height}px`;
    scrollTo(0, 0); // where such a keyboard pushed the page up
  }
  grow();
}

export function onSubmit(send, nothing) {
  const submit = () => {
    if (!text.value.trim()) {
      nothing();
      return;
    }
    send(text.value);
    setDraft('');
    text.focus();
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
  });
  text.addEventListener('keydown', (event) => {
    if (event.isComposing || event.keyCode === 229) return; // the key belongs to an input method
    if (event.key !== 'Enter' || event.shiftKey || isTouch) return;
    event.preventDefault();
    submit();
  });
}

text.setAttribute('enterkeyhint', isTouch ? 'enter' : 'send'); // as Enter does
text.addEventListener('input', () => {
  keepDraft(text.value);
  grow();
});
addEventListener('resize', fit);
if (seen) seen.addEventListener('resize', fit);
if (window.ResizeObserver) new ResizeObserver(fit).observe(document.querySelector('h1'));
