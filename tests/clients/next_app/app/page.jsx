import { Client } from "@sealring/client";
import { Who } from "./who.jsx";

// a server component: it may import the package, and render what uses the hook
export default function Page() {
  return (
    <main>
      <p>base {new Client({ base: "/auth" }).base}</p>
      <Who />
    </main>
  );
}
