import { Client } from "@sealring/client";

export const api = API; // by vite.config.js
export const auth = new Client({ base: `${api}/auth` });
