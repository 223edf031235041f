// Which sessions have ended, by the issuer's Token Status List (draft-ietf-oauth-status-list-21).
import { getListFromStatusListJWT } from "@sd-jwt/jwt-status-list";
import { jwtVerify } from "jose";

const RETRY_MS = 1_000; // an issuer that does not answer is asked once a second

export class StatusList {
  constructor(url, issuer, keys) {
    Object.assign(this, { url, keys, list: null, renewAt: 0, expiresAt: 0, renewing: null });
    this.policy = { issuer, subject: url, typ: "statuslist+jwt", algorithms: ["ES256"], requiredClaims: ["exp"] };
  }

  // Whether the session of a verified token has ended. It fails while no list is known that counts.
  async hasEnded({ status }) {
    const { idx, uri } = status?.status_list ?? {};
    if (uri !== this.url || !Number.isInteger(idx)) return true; // of another list: refused
    if (performance.now() >= this.renewAt) {
      this.renewing ??= this.renew().finally(() => (this.renewing = null)); // one request for all who ask meanwhile
      await this.renewing;
    }
    if (Date.now() >= this.expiresAt) throw new Error("there is no status list that counts now");
    return idx < 0 || idx >= this.list.statusList.length || this.list.getStatus(idx) !== 0; // §8.3: no such index
  }

  // A list counts until its `exp`; after its `ttl` it is fetched again. When that fails, it goes on to count.
  async renew() {
    this.renewAt = performance.now() + RETRY_MS;
    try {
      const options = { headers: { Accept: "application/statuslist+jwt" }, redirect: "error" };
      const answer = await fetch(this.url, { ...options, signal: AbortSignal.timeout(5_000) });
      if (!answer.ok) throw new Error(`answer ${answer.status}`);
      const token = await answer.text();
      const { payload } = await jwtVerify(token, this.keys, this.policy); // before a byte of it is decompressed
      if (payload.exp * 1000 < this.expiresAt) throw new Error("older than the list that is known");
      this.list = getListFromStatusListJWT(token);
      this.expiresAt = payload.exp * 1000;
      this.renewAt = performance.now() + (payload.ttl ?? 0) * 1000;
    } catch (error) {
      console.error("invoices: the status list:", error.message);
    }
  }
}
