// hub.mjs - plays a hub of models and the CDN behind it, on loopback, with faults on request.
//
//     node hub.mjs ROOT LOG      ROOT/ORG/NAME/FILE are the repositories; prints the hub's address
//
// Requests go to LOG as lines "WHERE METHOD PATH RANGE STATUS BYTES token|-". POST /faults sets the
// list of faults, which the following requests for bytes meet in that order, one each, then no more:
//   {"cut": N}          the connection ends after N bytes
//   {"status": S, "retry": R}   an answer S, with Retry-After: R when given
//   {"shift": N}        a range that begins N bytes later than was asked for
//   {"whole": true}     200 and the whole file, whatever was asked for
//   {"flip": N}         byte N of the file is another one
//   {"rate": N}         N bytes a second
// With "always": true a fault stays. {"gone": true} makes old addresses of the CDN 403.
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const [root, log] = process.argv.slice(2);
let faults = [];
let epoch = 0; // addresses of an older one are 403
const write = (line) => fs.appendFileSync(log, `${line}\n`);
const hex = (kind, ...parts) => parts.reduce((h, p) => h.update(p), crypto.createHash(kind)).digest('hex');

const hashes = new Map(); // by path, size and time
function etagOf(file) {
    const s = fs.statSync(file);
    const key = `${file} ${s.size} ${s.mtimeMs}`;
    if (!hashes.has(key)) {
        const bytes = fs.readFileSync(file);
        const large = file.endsWith('.gguf');
        hashes.set(key, large ? hex('sha256', bytes) : hex('sha1', `blob ${s.size}\0`, bytes));
    }
    return hashes.get(key);
}

// A commit names the state of a repository: it changes when a file does.
function commitOf(repo) {
    const files = fs.readdirSync(path.join(root, repo), { recursive: true }).sort();
    const facts = files.filter((f) => fs.statSync(path.join(root, repo, f)).isFile())
        .map((f) => `${f} ${etagOf(path.join(root, repo, f))}`);
    return hex('sha1', facts.join('\n'));
}

function take() {
    if (faults.length === 0) return {};
    return faults[0].always ? faults[0] : faults.shift();
}

function drained(response) { // or gone
    return new Promise((done) => {
        const go = () => { response.off('drain', go); response.off('close', go); done(); };
        response.on('drain', go).on('close', go);
    });
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function send(request, response, file, where, headers) {
    const size = fs.statSync(file).size;
    const token = request.headers.authorization ? 'token' : '-';
    const fault = take();
    const note = (status, bytes) => write(`${where} ${request.method} ${request.url} ${request.headers.range ?? '-'} ${status} ${bytes} ${token}`);
    if (fault.status) {
        note(fault.status, 0);
        response.writeHead(fault.status, fault.retry ? { 'Retry-After': `${fault.retry}` } : {});
        response.end('a fault');
        return;
    }
    const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    let from = 0, to = size - 1, status = 200;
    if (asked && !fault.whole) {
        from = Number(asked[1]) + (fault.shift ?? 0);
        to = Math.min(asked[2] ? Number(asked[2]) + (fault.shift ?? 0) : size - 1, size - 1);
        status = 206;
        headers['Content-Range'] = `bytes ${from}-${to}/${size}`;
    }
    headers['Content-Length'] = to - from + 1;
    headers['Accept-Ranges'] = 'bytes';
    response.writeHead(status, headers);
    const stream = fs.createReadStream(file, { start: from, end: to, highWaterMark: fault.rate ? 65536 : 1 << 20 });
    let sent = 0;
    response.on('close', () => { note(status, sent); stream.destroy(); });
    for await (let piece of stream) {
        if (fault.cut !== undefined && sent + piece.length > fault.cut) {
            response.write(piece.subarray(0, fault.cut - sent), () => response.destroy());
            return;
        }
        if (fault.flip !== undefined && fault.flip >= from + sent && fault.flip < from + sent + piece.length) {
            piece = Buffer.from(piece);
            piece[fault.flip - from - sent] ^= 1;
        }
        sent += piece.length;
        if (!response.write(piece)) await drained(response);
        if (response.destroyed) return;
        if (fault.rate) await pause(1000 * piece.length / fault.rate);
    }
    response.end();
}

const cdn = http.createServer((request, response) => {
    const url = new URL(request.url, 'http://cdn');
    if (url.searchParams.get('until') !== `${epoch}`) {
        write(`cdn ${request.method} ${request.url} - 403 0 ${request.headers.authorization ? 'token' : '-'}`);
        response.writeHead(403).end('expired');
        return;
    }
    send(request, response, path.join(root, url.searchParams.get('file')), 'cdn', {}).catch(() => response.destroy());
});

function answerJson(response, value) {
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}

function resolve(request, response, repo, revision, file) {
    const full = path.join(root, repo, file);
    const commit = commitOf(repo);
    if (!fs.existsSync(full) || !['main', commit].includes(revision)) {
        response.writeHead(404).end();
        return;
    }
    const headers = { 'X-Repo-Commit': commit, ETag: `W/"${etagOf(full)}"` };
    if (!file.endsWith('.gguf')) {
        headers['Content-Length'] = fs.statSync(full).size;
        if (request.method === 'HEAD') response.writeHead(200, headers).end();
        else send(request, response, full, 'hub', headers).catch(() => response.destroy());
        return;
    }
    write(`hub ${request.method} ${request.url} - 302 0 ${request.headers.authorization ? 'token' : '-'}`);
    headers['X-Linked-Etag'] = `"${etagOf(full)}"`;
    headers['X-Linked-Size'] = fs.statSync(full).size;
    headers.ETag = '"of the redirect"';
    headers.Location = `http://localhost:${cdn.address().port}/bytes?file=${encodeURIComponent(path.join(repo, file))}&until=${epoch}`;
    response.writeHead(302, headers).end();
}

const hub = http.createServer((request, response) => {
    const url = new URL(request.url, 'http://hub');
    if (request.method === 'POST' && url.pathname === '/faults') {
        let text = '';
        request.on('data', (d) => { text += d; });
        request.on('end', () => {
            const list = JSON.parse(text);
            if (list.some((f) => f.gone)) epoch++;
            faults = list.filter((f) => !f.gone);
            response.end('ok');
        });
        return;
    }
    let m;
    const closed = /^\/(?:api\/models\/)?closed\//.test(url.pathname);
    if (closed && request.headers.authorization !== 'Bearer sesame') {
        response.writeHead(401).end();
    } else if ((m = /^\/old\/([^/]+)\/resolve\/(.*)$/.exec(url.pathname))) { // a repository that was renamed
        response.writeHead(307, { Location: `/org/${m[1]}/resolve/${m[2]}` }).end();
    } else if ((m = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname)) && fs.existsSync(path.join(root, m[1]))) {
        resolve(request, response, m[1], m[2], m[3]);
    } else if ((m = /^\/api\/models\/([^/]+\/[^/]+)\/tree\/([^/]+)$/.exec(url.pathname)) && fs.existsSync(path.join(root, m[1]))) {
        const files = fs.readdirSync(path.join(root, m[1]), { recursive: true });
        answerJson(response, files.map((f) => {
            const s = fs.statSync(path.join(root, m[1], f));
            return { type: s.isFile() ? 'file' : 'directory', path: f, size: s.size };
        }));
    } else if ((m = /^\/api\/models\/([^/]+\/[^/]+)$/.exec(url.pathname)) && fs.existsSync(path.join(root, m[1]))) {
        answerJson(response, { id: m[1], tags: ['gguf', 'license:mit'] });
    } else {
        response.writeHead(404).end();
    }
});

cdn.listen(0, '127.0.0.1', () => hub.listen(0, '127.0.0.1', () => {
    console.log(`http://127.0.0.1:${hub.address().port}`);
}));
process.on('SIGTERM', () => process.exit(0));
