// What this browser remembers: unsent messages and the draft. Everything goes at « quitter ».
// A private window may refuse to remember: the conversation then goes on without.
export const persona = new URLSearchParams(location.search).get('as') || '';
export const prefix = `preau:${persona}:`;

function attempt(use, otherwise) {
  try {
    return use() ?? otherwise;
  } catch {
    return otherwise;
  }
}

const keys = (storage) => attempt(() => Object.keys(storage()).filter((key) => key.startsWith(prefix)), []);

export const recall = (key, otherwise = null) =>
  attempt(() => JSON.parse(localStorage.getItem(prefix + key)), otherwise);
export const remember = (key, value) =>
  attempt(() => localStorage.setItem(prefix + key, JSON.stringify(value)));
export const forget = (key) => attempt(() => localStorage.removeItem(prefix + key));

// What concerns this tab alone.
export const recallHere = (key) => attempt(() => sessionStorage.getItem(prefix + key), null);
export const rememberHere = (key, text) => attempt(() => sessionStorage.setItem(prefix + key, text));
export function forgetHere() {
  for (const key of keys(() => sessionStorage)) attempt(() => sessionStorage.removeItem(key));
}

// Each tab has its own draft; a new tab begins with the last one.
export const draft = () => recallHere('draft') ?? recall('draft', '');
export function keepDraft(text) {
  rememberHere('draft', text);
  remember('draft', text);
}

// One key for each unsent message, so that two tabs do not undo each other's.
export const keepUnsent = (entry) => remember(`unsent:${entry.id}`, entry);
export const dropUnsent = (id) => forget(`unsent:${id}`);
export function unsent() {
  const kept = keys(() => localStorage).map((key) => key.slice(prefix.length));
  const entries = kept.filter((key) => key.startsWith('unsent:')).map((key) => recall(key));
  return entries.filter(Boolean).sort((one, other) => (one.at < other.at ? -1 : 1));
}

export function forgetAll() {
  for (const key of keys(() => localStorage)) attempt(() => localStorage.removeItem(key));
  forgetHere();
}

// What another tab did: it sent or dropped a message, or somebody left there.
export function watchOtherTabs({ dropped, left }) {
  addEventListener('storage', ({ key, newValue }) => {
    if (!key || !key.startsWith(prefix)) return;
    const name = key.slice(prefix.length);
    if (name === 'left' && newValue) left();
    else if (name.startsWith('unsent:') && newValue === null) dropped(name.slice('unsent:'.length));
  });
}
