// What the issuer has revoked, in memory: a reader of the feed that docs/reference/feed.md describes.
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { compactVerify } from "jose";

const STALE_MS = 5_000; // older than this, nothing is known well enough to let anybody in
const LEEWAY_MS = 5_000; // between our clock and the issuer's
const WAIT_SECONDS = 1.25;

export class Revocations {
  constructor(auth, issuer, keys) {
    Object.assign(this, { auth, issuer, keys, known: null });
    this.forget();
  }

  // Whether what is known is known well enough.
  get isFresh() {
    return performance.now() <= this.freshUntil;
  }

  // Whether a token, of which signature and times are good, was revoked.
  covers({ sid, sub, epoch }, kid) {
    return this.dead.has(`session ${sid}`) || this.dead.has(`key ${kid}`) || epoch < (this.epochs.get(sub) ?? 0);
  }

  // Follow for ever. An error makes us older, and nothing else.
  async follow() {
    for (;;) {
      try {
        await this.poll();
      } catch (error) {
        console.error("stock: the feed:", error.message);
        await sleep(250);
      }
    }
  }

  async poll() {
    const began = performance.now();
    const beganUnix = Date.now();
    const page = this.head === null ? await this.load() : await this.read(`?after=${this.head}&wait=${WAIT_SECONDS}`);
    if (!this.continues(page)) {
      this.forget();
      return;
    }
    for (const entry of page.entries) this.take(entry);
    this.head = page.head;
    if (this.digest !== BigInt(`0x${page.digest}`)) this.forget();
    else this.know(began, beganUnix, page.time_ms);
  }

  // As fresh as the signed time, and never fresher than when we asked: no header says more.
  know(began, beganUnix, signed) {
    if (signed > Date.now() + LEEWAY_MS) throw new Error("our clock is behind the issuer's");
    this.freshUntil = began - Math.max(0, beganUnix - signed) + STALE_MS;
  }

  // All that counts now: the entries in segments, then those of the snapshot.
  async load() {
    const snapshot = await this.read("");
    for (const [, , name] of snapshot.segments) {
      const bytes = Buffer.from(await (await this.get(`/segments/${name}`)).arrayBuffer());
      if (createHash("sha256").update(bytes).digest("base64url") !== name) throw new Error("not the segment");
      for (const entry of JSON.parse(bytes)) this.take(entry);
    }
    this.incarnation = snapshot.incarnation;
    for (const entry of snapshot.entries) this.take(entry);
    this.digest = BigInt(`0x${snapshot.digest}`); // of every entry that ever was, most of which are gone
    return { ...snapshot, after: snapshot.head, entries: [] };
  }

  continues(page) {
    return page.incarnation === this.incarnation && page.head >= (this.head ?? 0) && page.after <= (this.head ?? page.head);
  }

  take([number, id, kind, target, epoch]) {
    if (this.head !== null && number <= this.head) return; // a page may begin earlier than we asked
    if (kind === "subject") this.epochs.set(target, Math.max(epoch, this.epochs.get(target) ?? 0));
    else if (kind === "session" || kind === "key") this.dead.add(`${kind} ${target}`);
    else throw new Error(`a kind of entry that is not known here: ${kind}`);
    this.digest ^= createHash("sha256").update(id).digest().readBigUInt64BE();
  }

  forget() {
    this.freshUntil = -Infinity; // until all is loaded again, nobody is let in
    Object.assign(this, { head: null, digest: 0n, dead: new Set(), epochs: new Map(), incarnation: null });
  }

  // A document of the feed, once its signature, its type and its issuer are known to be right.
  async read(query) {
    const { payload, protectedHeader } = await compactVerify(await (await this.get(query)).text(), this.keys);
    const document = JSON.parse(new TextDecoder().decode(payload));
    if (protectedHeader.typ !== "feed+jwt" || document.ver !== 1 || document.iss !== this.issuer)
      throw new Error("not a document of this issuer's feed");
    this.refuseOlder(document);
    return document;
  }

  // Of several servers of the issuer, one may not know yet what another has told us: go back only to what is newer.
  refuseOlder({ incarnation, head, time_ms, read_ms }) {
    const known = this.known;
    const contradicts = known && (incarnation !== known.incarnation || head < known.head);
    if (contradicts && time_ms <= known.read_ms) throw new Error("a server of the issuer that knows less has answered");
    if (!known || contradicts || read_ms > known.read_ms) this.known = { incarnation, head, read_ms };
  }

  async get(path) {
    const answer = await fetch(`${this.auth}/feed${path}`, { redirect: "error", signal: AbortSignal.timeout(STALE_MS) });
    if (!answer.ok) throw new Error(`answer ${answer.status}`);
    return answer;
  }
}
