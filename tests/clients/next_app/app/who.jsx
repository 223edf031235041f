"use client";

import { useSession } from "@sealring/client/react";
import { auth } from "./auth.js";

export function Who() {
  const { status, user } = useSession(auth);
  return <p>{status === "signed-in" ? user.username : status}</p>;
}
