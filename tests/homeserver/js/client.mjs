// Many clients in one process, driven by lines of JSON: {id, client, do, …} asks, {id, ok | error}
// answers, and {client, event | unreadable | invited} says what came.

import { createInterface } from "node:readline";

for (const level of ["trace", "debug", "log", "info", "warn"]) console[level] = () => {};
const sdk = await import("matrix-js-sdk");
const { OnlySignedDevicesIsolationMode } = await import("matrix-js-sdk/lib/crypto-api/index.js");

const clients = new Map();

const write = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function open({ client: name, url, user, device, token, password, strict }) {
    const client = sdk.createClient({
        baseUrl: url,
        userId: user,
        deviceId: device,
        accessToken: token,
    });
    clients.set(name, client);
    await client.initRustCrypto({ useIndexedDB: false });
    const crypto = client.getCrypto();
    if (strict) crypto.setDeviceIsolationMode(new OnlySignedDevicesIsolationMode());
    listen(name, client);
    await client.startClient({ initialSyncLimit: 1000 });
    await new Promise((done) => {
        client.on(sdk.ClientEvent.Sync, (state) => state === "PREPARED" && done());
    });
    const proof = (session) => ({
        type: "m.login.password",
        identifier: { type: "m.id.user", user },
        password,
        session,
    });
    await crypto.bootstrapCrossSigning({
        authUploadDeviceSigningKeys: (upload) =>
            upload(null).catch((refused) => upload(proof(refused.data.session))),
    });
}

function listen(name, client) {
    const shown = new Set();
    const show = (event) => {
        if (event.isDecryptionFailure()) {
            const why = event.decryptionFailureReason;
            write({ client: name, unreadable: { id: event.getId(), why } });
        } else if (!shown.has(event.getId())) {
            shown.add(event.getId());
            write({ client: name, event: seen(event) });
        }
    };
    let queue = Promise.resolve(); // what came first is shown first, however long it decrypts
    client.on(sdk.RoomEvent.Timeline, (event, _room, backwards) => {
        if (backwards || event.status !== null) return;
        queue = queue.then(() => client.decryptEventIfNeeded(event)).then(() => show(event));
    });
    client.on(sdk.MatrixEventEvent.Decrypted, (event) => {
        queue = queue.then(() => show(event));
    });
    client.on(sdk.RoomEvent.MyMembership, (room, membership) => {
        if (membership === "invite") write({ client: name, invited: room.roomId });
    });
}

function seen(event) {
    const relation = event.getWireContent()["m.relates_to"];
    const content = { ...event.getOriginalContent() };
    if (relation) content["m.relates_to"] = relation;
    return {
        id: event.getId(),
        room: event.getRoomId(),
        sender: event.getSender(),
        type: event.getType(),
        content,
        state: event.isState() ? event.getStateKey() : null,
        encrypted: event.isEncrypted(),
        redacts: event.event.redacts ?? event.event.content.redacts ?? null,
    };
}

async function send({ client: name, room, type, content }) {
    return (await clients.get(name).sendEvent(room, type, content)).event_id;
}

// Attachments as the specification has them: the SDK leaves them to each client.

const base64 = (data) => Buffer.from(data).toString("base64").replace(/=+$/, "");
const sha256 = async (data) => base64(await crypto.subtle.digest("SHA-256", data));

async function upload({ client: name, data, mime, encrypted }) {
    const clear = Buffer.from(data, "base64");
    const client = clients.get(name);
    if (!encrypted) return { url: (await client.uploadContent(clear, { type: mime })).content_uri };
    const key = await crypto.subtle.generateKey({ name: "AES-CTR", length: 256 }, true, ["encrypt"]);
    const iv = new Uint8Array(16);
    crypto.getRandomValues(iv.subarray(0, 8));
    const cipher = { name: "AES-CTR", counter: iv, length: 64 };
    const secret = await crypto.subtle.encrypt(cipher, key, clear);
    const type = "application/octet-stream";
    const url = (await client.uploadContent(Buffer.from(secret), { type })).content_uri;
    const { k } = await crypto.subtle.exportKey("jwk", key);
    const jwk = { kty: "oct", key_ops: ["encrypt", "decrypt"], alg: "A256CTR", ext: true, k };
    const hashes = { sha256: await sha256(secret) };
    return { file: { v: "v2", url, key: jwk, iv: base64(iv), hashes } };
}

async function fetchFile({ client: name, content }) {
    const client = clients.get(name);
    const { file, url = file.url } = content;
    const address = client.mxcUrlToHttp(url, undefined, undefined, undefined, false, true, true);
    const headers = { Authorization: `Bearer ${client.getAccessToken()}` };
    const answer = await fetch(address, { headers });
    if (!answer.ok) throw new Error(`${answer.status} for ${url}`);
    const data = await answer.arrayBuffer();
    if (!file) return base64(data);
    if ((await sha256(data)) !== file.hashes.sha256) throw new Error("the file was tampered with");
    const key = await crypto.subtle.importKey("jwk", file.key, "AES-CTR", false, ["decrypt"]);
    const cipher = { name: "AES-CTR", counter: Buffer.from(file.iv, "base64"), length: 64 };
    return base64(await crypto.subtle.decrypt(cipher, key, data));
}

// A native poll as this SDK reads it, with the last answers of each person.
async function poll({ client: name, room, event }) {
    const found = clients.get(name).getRoom(room).polls.get(event);
    if (!found) throw new Error("the SDK sees no poll there");
    const answers = {};
    for (const response of (await found.getResponses()).getRelations()) {
        const content = response.getContent();
        const body = content["org.matrix.msc3381.poll.response"] ?? content["m.poll.response"];
        answers[response.getSender()] = body.answers;
    }
    return {
        question: found.pollEvent.question.text,
        answers: found.pollEvent.answers.map(({ id, text }) => ({ id, label: text })),
        kind: found.pollEvent.kind.name,
        most: found.pollEvent.maxSelections,
        ended: found.isEnded,
        cast: answers,
    };
}

function close({ client: name }) {
    clients.get(name).stopClient();
    clients.delete(name);
}

const asked = { open, send, upload, fetch: fetchFile, poll, close };

for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    Promise.resolve(request)
        .then(asked[request.do])
        .then((ok) => write({ id: request.id, ok: ok ?? null }))
        .catch((error) => write({ id: request.id, error: String(error?.stack ?? error) }));
}
process.exit();
