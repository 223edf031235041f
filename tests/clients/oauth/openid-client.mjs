// openid-client: discovery, each grant, introspection and revocation, as its README has them.
import * as client from "openid-client";

const { issuer, resource, report, gateway, username, password } = JSON.parse(process.env.SCENE);

const discover = (id, authentication) =>
  client.discovery(new URL(issuer), id, undefined, authentication, {
    algorithm: "oauth2",
    execute: [client.allowInsecureRequests],
  });
const machine = await discover(report.client_id, client.ClientSecretBasic(report.client_secret));
const service = await discover(gateway.client_id, client.ClientSecretPost(gateway.client_secret));
const app = await discover("my-app", client.None());

const own = await client.clientCredentialsGrant(machine, { scope: "orders:read", resource });
const refused = await client.clientCredentialsGrant(machine, { scope: "admin" }).catch((error) => error.error);
const before = await client.tokenIntrospection(service, own.access_token);
await client.tokenRevocation(machine, own.access_token);
const after = await client.tokenIntrospection(service, own.access_token);

const user = await client.genericGrantRequest(app, "password", { username, password });
const refreshed = await client.refreshTokenGrant(app, user.refresh_token);
await client.tokenRevocation(app, refreshed.refresh_token);
const ended = await client.tokenIntrospection(service, refreshed.access_token);
const over = await client.refreshTokenGrant(app, refreshed.refresh_token).catch((error) => error.error);

const wrong = await discover(report.client_id, client.ClientSecretPost("wrong"));
const challenge = await client.clientCredentialsGrant(wrong, {}).catch((error) => [error.status, error.cause[0].scheme]);

console.log(JSON.stringify({
  scope: own.scope, refused, before: before.active, client: before.client_id, after, type: user.token_type,
  hasRefresh: "refresh_token" in own, ended, over, challenge,
}));
