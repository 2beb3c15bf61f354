// One human as several people: what they see is asked for again and again.
const $ = (id) => document.getElementById(id);
const place = new URLSearchParams(location.hash.slice(1));
let state = { version: "", people: [], groups: [], toasts: [], commands: [], messages: [], bot: {} };
let replyTo = null;
let toastsSeen = null;

const me = () => Number(place.get("me")) || 0;
const chat = () => Number(place.get("chat")) || me();

function goTo(name, value) {
  place.set(name, value);
  if (name === "me") place.delete("chat");
  history.replaceState(null, "", `#${place}`);
  state.version = "";
  toastsSeen = null;
  reply(null);
  look();
}

async function act(what) {
  const answer = await fetch("/people/act", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ me: me(), chat: chat(), ...what }),
  });
  const made = await answer.json();
  if (!answer.ok) say(made.error || "Refusé");
  await look();
  return made.made;
}

async function look() {
  const asked = new URLSearchParams({ me: me(), chat: chat(), version: state.version });
  const answer = await fetch(`/people/state?${asked}`).catch(() => null);
  if (!answer || answer.status !== 200) return;
  state = await answer.json();
  if (!state.people.some((one) => one.id === me()) && state.people.length) {
    return goTo("me", state.people[0].id);
  }
  draw();
}

// What somebody who never wrote to the bot finds: an invitation, or only the way in.
function beginning() {
  const name = state.people.find((one) => one.id === me()).name;
  if (!state.invited) {
    return [element("p", "hint", `${name} n'a encore rien dit à ${state.bot.name}.`), button("Démarrer", () => act({ do: "start" }))];
  }
  const [role, payload] = state.invited;
  return [
    element("p", "hint", `${name} a reçu le lien d'une invitation\u00a0: ${role}.`),
    button("Ouvrir l'invitation", () => act({ do: "start", payload })),
    button("Démarrer sans invitation", () => act({ do: "start" })),
  ];
}

function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, label]) => new Option(label, value, false, value === chosen)));
}

function draw() {
  options($("me"), state.people.map((one) => [one.id, one.name]), me());
  const mine = state.groups.filter((one) => one.mine);
  options($("chat"), [[me(), state.bot.name], ...mine.map((one) => [one.id, one.name])], chat());
  const inGroup = chat() < 0;
  document.querySelectorAll(".in-group").forEach((one) => { one.hidden = !inGroup; });
  document.querySelectorAll(".in-private").forEach((one) => { one.hidden = inGroup; });
  $("guide").hidden = !state.web;
  $("web").href = state.web;
  const others = state.people.filter((one) => one.id !== me());
  $("beside").hidden = !others.length;
  if (others.length) $("beside").href = `/#me=${others[0].id}`;
  const box = $("messages");
  const below = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  const held = box.contains(document.activeElement);
  box.replaceChildren(...state.messages.map(bubble));
  if (!state.messages.length && !inGroup) box.append(...beginning());
  if (document.activeElement === document.body && held) box.focus(); // what had it is redrawn
  if (below) box.scrollTop = box.scrollHeight;
  if (toastsSeen !== null) state.toasts.slice(toastsSeen).forEach((one) => one.text && say(one.text));
  toastsSeen = state.toasts.length;
  $("commands").replaceChildren(...state.commands.map(command));
}

function element(kind, name, text) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}

function button(label, pressed) {
  const made = element("button", "", label);
  made.type = "button";
  made.addEventListener("click", () => pressed(made));
  return made;
}

function bubble(message) {
  const whole = element("article", [message.mine && "mine", message.service && "service", message.deleted && "deleted"].filter(Boolean).join(" "));
  const inside = element("div", "bubble");
  if (!message.mine && !message.service) inside.append(element("div", "who", message.from));
  for (const file of message.files) inside.append(attached(file));
  const words = element("div");
  words.innerHTML = message.html; // made safe by the server, from its own entities
  words.querySelectorAll("a").forEach((link) => link.addEventListener("click", (event) => follow(event, link.href)));
  inside.append(words);
  if (message.service) {
    whole.append(inside);
    return whole;
  }
  const when = element("div", "when");
  const hour = new Date(message.date * 1000).toLocaleTimeString("fr", { hour: "2-digit", minute: "2-digit" });
  when.append(element("span", "", (message.edited ? "modifié " : "") + hour));
  when.append(button("répondre", () => reply(message)));
  if (message.mine) when.append(button("modifier", () => edit(message)));
  inside.append(when);
  whole.append(inside);
  for (const row of message.rows) {
    const line = element("div", "row");
    for (const cell of row) line.append(button(cell.label + (cell.url ? " ↗" : ""), (pressed) => press(message, cell, pressed)));
    whole.append(line);
  }
  return whole;
}

function attached(file) {
  const url = `/people/file/${encodeURIComponent(file.id)}`;
  if (file.kind === "photo") {
    const image = element("img");
    image.src = url;
    image.alt = file.name;
    return image;
  }
  const link = element("a", "", `📄 ${file.name}`);
  link.href = url;
  link.download = file.name;
  return link;
}

function command(one) {
  const item = element("li");
  item.append(button(`/${one.command}  ${one.description}`, () => {
    $("commands").hidden = true;
    act({ do: "say", text: `/${one.command}` });
  }));
  return item;
}

function press(message, cell, pressed) {
  if (cell.url) return open(cell.url);
  pressed.classList.add("waits");
  act({ do: "press", message: message.id, data: cell.data });
}

function follow(event, url) {
  event.preventDefault();
  open(url);
}

// A link to the bot starts it here; any other goes to its own tab.
function open(address) {
  const url = new URL(address, location.href);
  const mine = ["t.me", "telegram.me"].includes(url.hostname) && url.pathname.slice(1) === state.bot.username;
  if (!mine) return window.open(url, "_blank", "noopener");
  if (chat() !== me()) goTo("chat", me());
  act({ do: "start", payload: url.searchParams.get("start") || "" });
}

function say(words) {
  $("toast").textContent = words;
  $("toast").hidden = false;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { $("toast").hidden = true; }, 4000);
}

function reply(message) {
  replyTo = message ? message.id : null;
  $("replying").hidden = !message;
  if (message) $("replying").firstElementChild.textContent = `Réponse à ${message.from}`;
}

function edit(message) {
  const holder = element("div");
  holder.innerHTML = message.html;
  const words = prompt("Votre message :", holder.textContent);
  if (words) act({ do: "edit", message: message.id, text: words });
}

async function send(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let binary = "";
  for (let at = 0; at < bytes.length; at += 32768) binary += String.fromCharCode(...bytes.subarray(at, at + 32768));
  const asPhoto = /^image\/(jpeg|png|webp)$/.test(file.type) && confirm("L'envoyer comme photo ? (Annuler : comme fichier)");
  const caption = $("text").value;
  $("text").value = "";
  await act({ do: "file", as: asPhoto ? "photo" : "document", name: file.name, mime: file.type, data: btoa(binary), caption });
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  act({ do: "say", text, reply_to: replyTo });
  $("text").value = "";
  reply(null);
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("composer").requestSubmit();
  }
});
$("file").addEventListener("change", async () => {
  for (const file of $("file").files) await send(file);
  $("file").value = "";
});
// One panel at a time; it closes at a touch elsewhere.
addEventListener("click", (event) => {
  for (const one of document.querySelectorAll("header details[open]")) if (!one.contains(event.target)) one.open = false;
});
$("menu").addEventListener("click", () => { $("commands").hidden = !$("commands").hidden; });
$("replying").querySelector("button").addEventListener("click", () => reply(null));
$("me").addEventListener("change", () => goTo("me", $("me").value));
$("chat").addEventListener("change", () => goTo("chat", $("chat").value));
$("more").addEventListener("click", async (event) => {
  const what = event.target.dataset.do;
  if (!what) return;
  $("more").open = false;
  if (what === "link") {
    const address = prompt("Le lien (https://t.me/…) :");
    return address && open(address);
  }
  const named = what === "person" ? "Son prénom :" : what === "group" ? "Le nom du groupe :" : "";
  const name = named ? prompt(named) : "";
  if (named && !name) return;
  const made = await act({ do: what, name });
  if (what === "person") goTo("me", made);
  if (what === "group") goTo("chat", made);
});
addEventListener("hashchange", () => location.reload());
look();
setInterval(look, 600);
