// Photos: shrunk before they travel, and kept until they have left, even through a reload.
import { prefix } from './memory.js';

const ENOUGH = 300_000; // bytes
const TRIES = [[1600, 0.8], [1600, 0.6], [1280, 0.6], [1024, 0.5], [800, 0.5]]; // longest side, quality

// A JPEG of about 300 kB, without what the camera wrote in it; throws if it cannot be read here.
export async function shrink(file) {
  const picture = await decoded(file);
  let small;
  for (const [longest, quality] of TRIES) {
    small = await drawn(picture, longest, quality);
    if (small.size <= ENOUGH) break;
  }
  return small;
}

function decoded(file) {
  return new Promise((resolve, reject) => {
    const picture = new Image(); // turned as the camera was held
    const url = URL.createObjectURL(file);
    picture.onload = () => { URL.revokeObjectURL(url); resolve(picture); };
    picture.onerror = () => { URL.revokeObjectURL(url); reject(new Error('not a picture')); };
    picture.src = url;
  });
}

function drawn(picture, longest, quality) {
  const scale = Math.min(1, longest / Math.max(picture.naturalWidth, picture.naturalHeight));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(picture.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(picture.naturalHeight * scale));
  const context = canvas.getContext('2d');
  context.fillStyle = 'white';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('too large'))), 'image/jpeg', quality);
  });
}

// Kept in IndexedDB under the message's id. A private window may refuse: then only in the page.
function within(mode, use) {
  return new Promise((resolve) => {
    try {
      const opening = indexedDB.open('preau', 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore('photos');
      opening.onerror = () => resolve();
      opening.onsuccess = () => {
        const database = opening.result;
        const change = database.transaction('photos', mode);
        const asked = use(change.objectStore('photos'));
        const end = () => { database.close(); resolve(asked.result); };
        change.oncomplete = end;
        change.onabort = end;
      };
    } catch {
      resolve();
    }
  });
}

export const keepPhoto = (id, photo) => within('readwrite', (photos) => photos.put(photo, prefix + id));
export const keptPhoto = (id) => within('readonly', (photos) => photos.get(prefix + id));
export const dropPhoto = (id) => within('readwrite', (photos) => photos.delete(prefix + id));
export const dropPhotos = () =>
  within('readwrite', (photos) => photos.delete(IDBKeyRange.bound(prefix, `${prefix}\uffff`)));
