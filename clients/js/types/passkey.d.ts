/** The passkeys of the user of a client. */
export class Passkeys {
    /** @param {Client} client */
    constructor(client: Client);
    /** Whether this browser has passkeys, and tells pages of them as JSON. */
    get isSupported(): boolean;
    /**
     * Logs in by a dialog of the browser; with `pending`, takes the step that a `Problem` with `pending` asks for.
     * @param {{pending?: string}} [fields] @returns {Promise<User>}
     * @throws {Problem | DOMException | TypeError} a `NotAllowedError` when the user has cancelled
     */
    login({ pending }?: {
        pending?: string;
    }): Promise<User>;
    /**
     * Offers passkeys in the field with `autocomplete="username webauthn"`, until one was chosen and has logged in.
     * @param {{signal?: AbortSignal}} [fields] withdraws the offer
     * @returns {Promise<User | null>} null when it was withdrawn, or the browser offers none
     * @throws {Problem | TypeError} the passkey that was chosen is not good here
     */
    autofill({ signal }?: {
        signal?: AbortSignal;
    }): Promise<User | null>;
    /**
     * Adds a passkey to the account of the session, by a dialog of the browser. Access tokens from before are outdated.
     * @param {{label?: string}} [fields] what its owner calls it @returns {Promise<OnePasskey>}
     * @throws {Problem | DOMException | TypeError} an `InvalidStateError` when this authenticator has one already
     */
    register({ label }?: {
        label?: string;
    }): Promise<OnePasskey>;
    /**
     * Right after a login by a password that the browser has filled in: has it make a passkey without a question, if it
     * can and its user lets it.
     * @returns {Promise<OnePasskey | null>} null when none was made: no reason to say anything
     * @throws {Problem | TypeError}
     */
    upgrade(): Promise<OnePasskey | null>;
    /**
     * The passkeys of the account. Tells the browser which these are, so that it offers no removed one.
     * @returns {Promise<OnePasskey[]>} @throws {Problem | TypeError}
     */
    list(): Promise<OnePasskey[]>;
    /** @param {string} id @param {string} label @returns {Promise<OnePasskey>} @throws {Problem | TypeError} */
    rename(id: string, label: string): Promise<OnePasskey>;
    /** Removes a passkey here and, where the browser can, from the authenticator. @param {string} id @throws {Problem} */
    remove(id: string): Promise<void>;
    #private;
}
export type Client = import("./client.js").Client;
export type User = import("../types/bodies.js").User;
export type OnePasskey = import("../types/bodies.js").OnePasskey;
export type ManyPasskeys = import("../types/bodies.js").ManyPasskeys;
/**
 * Of the browser's class, what TypeScript 5.9 does not know yet.
 */
export type Browser = {
    parseCreationOptionsFromJSON(options: object): PublicKeyCredentialCreationOptions;
    parseRequestOptionsFromJSON(options: object): PublicKeyCredentialRequestOptions;
    isConditionalMediationAvailable?(): Promise<boolean>;
    getClientCapabilities?(): Promise<Record<string, boolean>>;
    signalAllAcceptedCredentials?(accepted: object): Promise<void>;
};
