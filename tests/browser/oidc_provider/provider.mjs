// The certified provider of npm, with its own pages: one client, users by any name; mallory's address is not verified.
import Provider from "oidc-provider";

const { PORT, SHOP } = process.env;
const issuer = `http://127.0.0.1:${PORT}`;
const provider = new Provider(issuer, {
  clients: [{
    client_id: "sealring",
    client_secret: "s3cret-s3cret-s3cret",
    redirect_uris: [`${SHOP}/auth/oidc/acme/callback`, `${SHOP}/auth/oidc/posted/callback`],
    post_logout_redirect_uris: [`${SHOP}/hello`],
    grant_types: ["authorization_code"],
    backchannel_logout_uri: `${SHOP}/auth/oidc/acme/backchannel-logout`,
    backchannel_logout_session_required: true,
  }],
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    backchannelLogout: { enabled: true },
  },
  claims: { openid: ["sub", "sid"], email: ["email", "email_verified"], profile: ["preferred_username"] },
  conformIdTokenClaims: false,
  fetch: (url, options) => { delete options.dispatcher; return globalThis.fetch(url, options); },
  findAccount: async (_, id) => ({
    accountId: id,
    claims: async () => ({
      sub: id, email: `${id}@example.com`, email_verified: id !== "mallory", preferred_username: id,
    }),
  }),
});
provider.listen(Number(PORT), "127.0.0.1", () => console.log("up"));
