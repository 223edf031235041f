// simple-oauth2: it knows no discovery, so its paths are given.
import { ClientCredentials, ResourceOwnerPassword } from "simple-oauth2";

const { issuer, report, username, password } = JSON.parse(process.env.SCENE);
const auth = { tokenHost: issuer, tokenPath: "/auth/token", revokePath: "/auth/revoke" };

const machine = new ClientCredentials({ client: { id: report.client_id, secret: report.client_secret }, auth });
const own = await machine.getToken({ scope: "orders:read" });
await own.revoke("access_token");

const app = new ResourceOwnerPassword({ client: { id: "my-app", secret: "x" }, auth });
const user = await app.getToken({ username, password });
const refreshed = await user.refresh();
await refreshed.revokeAll();
const over = await refreshed.refresh().catch((error) => error.data.payload.error);

const live = async (token) => {
  const headers = { authorization: `Bearer ${token.token.access_token}` };
  return (await fetch(`${issuer}/auth/live`, { headers })).status;
};
console.log(JSON.stringify({
  scope: own.token.scope, expires: own.token.expires_in, own: await live(own), user: await live(refreshed), over,
}));
