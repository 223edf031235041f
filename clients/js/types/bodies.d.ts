/**
 * The JSON bodies of the auth routes. Written by scripts/docs from the table of endpoints: change it there.
 */

/** The cookie that the browser is to have. */
export type DeviceCredential = {
  type: "cookie";
  name: string;
  attributes: string;
};

/** Which requests the session is for: those of the origin, but for these. */
export type DeviceScope = {
  include_site: boolean;
  scope_specification: Array<DeviceScopeRule>;
};

/** Requests before which the browser does not wait for the cookie. */
export type DeviceScopeRule = {
  type: "exclude";
  domain: string;
  path: string;
};

/** What a browser is to do with a bound session (DBSC). */
export type DeviceSession = {
  session_identifier: string;
  refresh_url: string;
  scope: DeviceScope;
  credentials: Array<DeviceCredential>;
  allowed_refresh_initiators?: Array<string>;
};

/** `POST /email/change`. */
export type EmailChangeRequest = {
  email: string;
};

/** `POST /email/undo`. */
export type EmailUndoRequest = {
  token: string;
};

/** `POST /password/forgot`. */
export type ForgottenPassword = {
  email: string;
};

/** `POST /login/{method}/begin`: whose account it is, or `pending` from the step before. */
export type LoginBeginRequest = {
  response?: Record<string, any>;
  pending?: string | null;
  delivery?: "body" | "cookie";
  device?: string | null;
};

/** What the client needs for the next step, such as a challenge, as the method says. */
export type LoginBegun = {
  challenge: Record<string, any>;
};

/** `POST /login`; `device` is what an earlier answer said, for clients without cookies. */
export type LoginRequest = {
  username: string;
  password: string;
  delivery?: "body" | "cookie";
  device?: string | null;
};

/** `POST /login/{method}`: what the method reads as proof, and `pending` from the step before. */
export type LoginStepRequest = {
  response: Record<string, any>;
  pending?: string | null;
  delivery?: "body" | "cookie";
  device?: string | null;
};

/** `POST /email/verify/confirm`: `token` of the link, or `email` and `code`. */
export type MailProofRequest = {
  token?: string | null;
  email?: string | null;
  code?: string | null;
};

/** The identities of an account, the oldest first. */
export type ManyIdentities = {
  identities: Array<OneIdentity>;
};

/** The passkeys of a user, the oldest first, and what `signalAllAcceptedCredentials` wants beside their ids. */
export type ManyPasskeys = {
  passkeys: Array<OnePasskey>;
  rp_id: string;
  user_id: string;
};

/** The live sessions of a user, newest first. */
export type ManySessions = {
  sessions: Array<OneSession>;
};

/** Who is asking, by which session, with which claims. */
export type Me = {
  id: string;
  username: string | null;
  email: string | null;
  email_verified: boolean;
  scopes: Array<string>;
  session: OneSession;
  claims: Record<string, any>;
  expires_in: number;
  csrf_token?: string;
};

/** What the caller has beside the password. `recovery_codes_left` is null where there never were any. */
export type MyFactors = {
  methods: Array<string>;
  recovery_codes_left: number | null;
};

/** Another access token of a session that goes on; its refresh token stays as it is. Lives in seconds. */
export type NewAccessToken = {
  expires_in: number;
  scope: string;
  acr: string;
  auth_time: number;
  access_token?: string;
  token_type?: "Bearer" | "DPoP";
  csrf_token?: string;
};

/** Recovery codes, shown once, and the session's next access token. */
export type NewRecoveryCodes = {
  codes: Array<string>;
  tokens: NewAccessToken;
};

/** `POST /token` (RFC 6749 §5.1). Lives in seconds; a client that acts for itself gets no refresh token (§4.4.3). */
export type OAuthTokens = {
  access_token: string;
  token_type: "Bearer" | "DPoP";
  expires_in: number;
  scope: string;
  refresh_token?: string;
  refresh_expires_in?: number;
  device?: string;
};

/** An identity provider: `name` stands in paths, `title` on a button. */
export type OfferedProvider = {
  name: string;
  title: string;
};

/** An identity of an account, as its owner sees it. Times are Unix seconds. */
export type OneIdentity = {
  id: string;
  provider: string;
  label: string;
  created_at: number;
  last_used_at: number | null;
};

/** A passkey, as its owner sees it; `synced` says that it may be on several devices. Times are Unix seconds. */
export type OnePasskey = {
  id: string;
  label: string;
  synced: boolean;
  created_at: number;
  last_used_at: number | null;
};

/** A session, as its owner sees it. Times are Unix seconds. */
export type OneSession = {
  id: string;
  device: string;
  address: string;
  created_at: number;
  last_seen_at: number;
  expires_at: number;
  current: boolean;
  bound: boolean;
};

/** What a login page needs to know before anybody is logged in: the same for everybody. */
export type Options = {
  registration: "closed" | "invited" | "open";
  password_min_length: number;
  methods: Array<string>;
  second_methods: Array<string>;
  mail: boolean;
  email_required: boolean;
  providers: Array<OfferedProvider>;
};

/** `POST /passkeys/register/start`: `conditional` where the browser is to make it without a question. */
export type PasskeyBegin = {
  conditional?: boolean;
};

/** `PATCH /passkeys/{id}`. */
export type PasskeyName = {
  label: string;
};

/** `PublicKeyCredentialCreationOptionsJSON` (WebAuthn Level 3 §5.1), for `parseCreationOptionsFromJSON`. */
export type PasskeyOptions = {
  options: Record<string, any>;
};

/** `POST /passkeys/register/finish`: what the browser's `toJSON` gave, and a name; none for that of the device. */
export type PasskeyRegistration = {
  credential: Record<string, any>;
  label?: string;
};

/** `POST /password`. */
export type PasswordChangeRequest = {
  current: string;
  new: string;
};

/** `POST /password/reset`: `token` of the link, or `email` and `code`, and the `new` password. */
export type PasswordResetRequest = {
  new: string;
  token?: string | null;
  email?: string | null;
  code?: string | null;
};

/** Whose password it is: who reads the account's mail may know its name. */
export type PasswordWasReset = {
  username: string;
};

/** `POST /oidc/{provider}/link` and `/logout`: where the page goes afterwards, a path of this host. */
export type ProviderLink = {
  next?: string;
};

/** Where the page goes now. */
export type ProviderLinked = {
  url: string;
};

/** `POST /reauthenticate/{method}/begin`: `pending` from the step before. */
export type ReauthenticationBegin = {
  pending?: string | null;
  device?: string | null;
};

/** `POST /reauthenticate/{method}`: what the method reads as proof, and `pending` from the step before. */
export type ReauthenticationStep = {
  response: Record<string, any>;
  pending?: string | null;
  device?: string | null;
};

/** `POST /refresh` without cookies, and `POST /logout` with nothing else in hand. */
export type Refresh = {
  refresh_token: string;
};

/** `POST /register`. */
export type Registration = {
  username: string;
  password: string;
  email?: string | null;
  invitation?: string | null;
  delivery?: "body" | "cookie";
};

/** RFC 9457 §3, with our stable `code`. `type` is "about:blank", so `title` is the status's own phrase. */
export type SealringProblem = {
  title: string;
  status: number;
  detail: string;
  code: string;
  errors?: Array<SealringProblemField>;
  pending?: string;
  methods?: Array<string>;
  max_age?: number;
  acr_values?: Array<string>;
  type: string;
};

/** One field that could not be accepted. */
export type SealringProblemField = {
  field: string;
  reason: string;
};

/** RFC 6749 §5.2; where it has no code for the cause, the members of problem details too. */
export type TokenRefusal = {
  error: string;
  error_description: string;
  code?: string;
};

/** Tokens, or, when cookies carry them, what a page needs beside the cookies. Lives in seconds. */
export type Tokens = {
  expires_in: number;
  scope: string;
  access_token?: string;
  token_type?: "Bearer" | "DPoP";
  refresh_token?: string;
  refresh_expires_in: number;
  csrf_token?: string;
  refresh_path?: string;
  device?: string;
  user?: User;
};

/** `POST /totp/confirm`: what `POST /totp/start` gave, a code of the app, and a name for its owner. */
export type TotpConfirmation = {
  enrollment: string;
  code: string;
  label?: string;
};

/** What an authenticator app needs: shown once. `qr` is an SVG element of `uri`; `secret` is for typing. */
export type TotpStarted = {
  enrollment: string;
  secret: string;
  uri: string;
  qr: string;
};

/** The account, as its owner sees it. */
export type User = {
  id: string;
  username: string | null;
  email: string | null;
  email_verified: boolean;
  scopes: Array<string>;
};

/** The address of the account, which is verified now. */
export type VerifiedEmail = {
  email: string;
};
