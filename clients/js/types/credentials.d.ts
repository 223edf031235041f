export class CookieCredentials {
    delivery: "cookie";
    /** What goes into the body of a refresh: nothing, the cookie is the token. */
    refreshBody: undefined;
    device: null;
    /** Whether it is certain that nobody is signed in. */
    isEmpty: boolean;
    /** Which session the page is of, where it knows. */
    get proof(): string | null;
    /** @param {Held} tokens */
    adopt({ csrf_token }: Held): void;
    forget(): void;
    /**
     * The request with the session. Cookies of another origin come along only where they are asked for.
     * @param {Request} request @param {boolean} [isLook] a GET that asks whether the cookies became another session's
     */
    attach(request: Request, isLook?: boolean): Request;
    #private;
}
export class BodyCredentials {
    delivery: "body";
    /** There is no CSRF where no cookie is: whose token it is, the token itself says. */
    proof: null;
    /** How the server knows this client again at its next login, where no cookie says it. */
    get device(): string | null;
    get refreshBody(): {
        refresh_token: string | null;
    };
    get isEmpty(): boolean;
    /** @param {Held} tokens */
    adopt({ access_token, refresh_token, device }: Held): void;
    forget(): void;
    /**
     * The request with the access token, unless it has one of its own. Cookies stay away: two credentials in one request
     * may be of two sessions, and are refused.
     * @param {Request} request @param {boolean} [_isLook]
     */
    attach(request: Request, _isLook?: boolean): Request;
    #private;
}
export type Tokens = import("../types/bodies.js").Tokens;
export type Held = Pick<Tokens, "access_token" | "refresh_token" | "csrf_token" | "device">;
