import { Client } from "@sealring/client";

export const auth = new Client({ base: "/auth" });
