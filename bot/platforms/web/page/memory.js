// What this browser remembers. Everything goes at « quitter ». Private windows may refuse storage.
const persona = new URLSearchParams(location.search).get('as') ?? '';
const prefix = `preau:${persona}:`;

export function recall(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(prefix + key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(prefix + key, JSON.stringify(value));
  } catch { /* full, or refused: the conversation goes on without it */ }
}

export function forgetAll() {
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(prefix)) localStorage.removeItem(key);
    }
  } catch { /* nothing was kept */ }
}

export { persona };
