import { useEffect, useState } from "react";
import { useSession } from "@sealring/client/react";
import { api, auth } from "./auth.js";

export function App() {
  const { status, user, trouble } = useSession(auth);
  return (
    <main>
      <h1>Notes</h1>
      {trouble && <p role="status">The service does not answer. Trying again.</p>}
      {status === "signed-in" && <Notes key={user.id} user={user} />}
      {status === "signed-out" && <Login />}
    </main>
  );
}

function Login() {
  const [problem, attempt] = useAttempt();
  const submit = (event) => {
    event.preventDefault();
    const { username, password } = Object.fromEntries(new FormData(event.target));
    const register = event.nativeEvent.submitter.name === "register";
    attempt(() => (register ? auth.register({ username, password }) : auth.login({ username, password })));
  };
  return (
    <form onSubmit={submit}>
      <label>Username <input name="username" autoComplete="username" required /></label>
      <label>Password <input name="password" type="password" autoComplete="current-password" required /></label>
      <button>Sign in</button>
      <button name="register" className="quiet">Create account</button>
      <p role="alert">{problem}</p>
    </form>
  );
}

function Notes({ user }) {
  const [notes, setNotes] = useState([]);
  const [problem, attempt] = useAttempt();
  const load = async () => setNotes(await (await call("/notes")).json());
  useEffect(() => {
    attempt(load);
  }, []);

  const write = (event) => {
    event.preventDefault();
    const form = event.target;
    const body = JSON.stringify({ text: new FormData(form).get("text") });
    attempt(async () => {
      await call("/notes", { method: "POST", headers: { "Content-Type": "application/json" }, body });
      form.reset();
      await load();
    });
  };
  const endAll = async () => {
    await call("/auth/sessions", { method: "DELETE" });
    await auth.check();
  };
  return (
    <>
      <p>Signed in as <strong>{user.username}</strong></p>
      <ul>{notes.map((note, at) => <li key={at}>{note}</li>)}</ul>
      <form onSubmit={write}>
        <label>New note <input name="text" maxLength={200} required /></label>
        <button>Write</button>
      </form>
      <p role="alert">{problem}</p>
      <footer>
        <button className="quiet" onClick={() => attempt(() => auth.logout())}>Sign out</button>
        <button className="quiet" onClick={() => attempt(endAll)}>Sign out everywhere</button>
      </footer>
    </>
  );
}

/** A request with the session; an answer that is no success throws. */
async function call(path, init) {
  const answer = await auth.fetch(`${api}${path}`, init);
  if (!answer.ok) throw new Error(`The service refused this (${answer.status}).`);
  return answer;
}

/** What went wrong last, in words, and a function that runs an action and keeps that. */
function useAttempt() {
  const [problem, setProblem] = useState("");
  const attempt = async (action) => {
    setProblem("");
    try {
      await action();
    } catch (error) {
      setProblem(error.message);
    }
  };
  return [problem, attempt];
}
