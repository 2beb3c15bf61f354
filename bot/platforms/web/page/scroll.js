// Where the log stands: it follows the conversation until the person scrolls away, and again from
// when they come back to its end.
import { words } from './bubbles.js';

const NEAR = 80; // px from the end
const TOGETHER = 1500; // ms within which messages are read as one answer

const log = document.getElementById('log');
const pill = document.getElementById('newer');
const title = document.title;
let isFollowing = true;
let anchor = null; // the bubble whose beginning is shown, while following
let placed = 0; // where the log was put last; it stands elsewhere when the person scrolled
let lastArrival = 0;
let missed = 0; // while nobody saw the page
const below = new Set(); // bubbles that came and were not seen yet

function settle() {
  if (isFollowing) log.scrollTop = anchor && anchor.isConnected ? anchor.offsetTop - 8 : log.scrollHeight;
  placed = log.scrollTop;
  count();
}

function count() {
  const end = log.scrollTop + log.clientHeight;
  for (const bubble of below) if (!bubble.isConnected || bubble.offsetTop + 40 < end) below.delete(bubble);
  pill.hidden = below.size === 0;
  pill.textContent = below.size > 1 ? `${words.new_message} (${below.size})` : words.new_message;
  const unread = Math.max(below.size, missed);
  document.title = unread ? `(${unread}) ${title}` : title;
}

// Show a bubble whole if it is short, else its beginning. At once: a slow movement loses the place.
export function reveal(bubble) {
  anchor = bubble;
  isFollowing = true;
  settle();
}

export function arrived(bubble, isAnswer) {
  const isNewGroup = Date.now() - lastArrival > TOGETHER;
  lastArrival = Date.now();
  below.add(bubble);
  if (document.hidden) missed += 1;
  if (isAnswer || (isFollowing && isNewGroup)) reveal(bubble);
  else settle();
}

// A pressed message changed. A long one stays at its choices, where it was pressed.
export function changed(bubble) {
  settle();
  const end = bubble.offsetTop + bubble.offsetHeight - log.scrollTop;
  const isLong = bubble.offsetHeight > log.clientHeight - 16;
  if (!isLong || end > log.clientHeight + NEAR) return reveal(bubble);
  anchor = null;
  log.scrollTop += Math.max(0, end + 8 - log.clientHeight);
  placed = log.scrollTop;
  return count();
}

// What is done to the log's beginning moves nothing of what is read.
export function keepPlace(change) {
  const fromEnd = log.scrollHeight - log.scrollTop;
  change();
  log.scrollTop = log.scrollHeight - fromEnd;
  placed = log.scrollTop;
}

log.addEventListener('scroll', () => {
  if (Math.abs(log.scrollTop - placed) > 2) {
    isFollowing = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
    anchor = null;
    placed = log.scrollTop;
  }
  count();
}, { passive: true });
log.addEventListener('load', settle, true); // a picture came late
if (window.ResizeObserver) new ResizeObserver(settle).observe(log);
else addEventListener('resize', settle);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) missed = 0;
  count();
});
pill.addEventListener('click', () => {
  const [first] = below;
  log.focus({ preventScroll: true });
  if (first) reveal(first);
});
