// The demo's bar: who one is, and the one clock, in the time zone of the service.
import { persona } from './memory.js';
import { post } from './net.js';

const bar = document.getElementById('demo');
const place = document.getElementById('demo-here'); // in the menu
const now = document.getElementById('now');
const format = new Intl.DateTimeFormat(document.documentElement.lang, {
  weekday: 'long', day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit', timeZone: bar.dataset.zone,
});

for (const link of document.querySelectorAll('[data-persona]')) {
  if (link.dataset.persona === persona) link.setAttribute('aria-current', 'page');
}
bar.querySelector('p').hidden = Boolean(persona); // chosen already
for (const step of document.querySelectorAll('[data-advance]')) {
  step.addEventListener('click', async () => {
    const answer = await post('/api/v1/demo/clock', { advance: step.dataset.advance }).catch(() => ({}));
    now.textContent = answer.now ? format.format(new Date(answer.now)) : answer.text || now.dataset.failed;
  });
}

// A low window leaves its height to the conversation: the bar goes into the menu.
if (place) {
  const chat = document.getElementById('chat');
  const fit = () => {
    const isLow = document.body.classList.contains('low') && !chat.hidden;
    if (isLow && bar.parentElement !== place) place.append(bar);
    if (!isLow && bar.parentElement === place) document.querySelector('main').before(bar);
  };
  new MutationObserver(fit).observe(document.body, { attributes: true, attributeFilter: ['class'] });
  fit();
}
