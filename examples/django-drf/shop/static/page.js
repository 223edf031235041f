import { check, fetch, login, logout, onChange, register, watch } from "/auth/client.js";

const find = (selector) => document.querySelector(selector);
let shown; // the id of the user whose notes are shown

onChange(({ status, user, trouble }) => {
  find("#trouble").hidden = trouble === null;
  find("#login").hidden = status !== "signed-out";
  find("#notes").hidden = status !== "signed-in";
  if (user?.id === shown) return;
  shown = user?.id;
  find("#notes ul").replaceChildren();
  find("#user").textContent = user?.username ?? "";
  if (user) attempt(load);
});
watch(); // asks every few seconds whether the session still lives

find("#login").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const { username, password } = Object.fromEntries(new FormData(form));
  const enter = event.submitter.name === "register" ? register : login;
  attempt(() => enter({ username, password }).then(() => form.reset()));
});
find("#write").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const body = JSON.stringify({ text: new FormData(form).get("text") });
  attempt(async () => {
    await call("/api/notes", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    form.reset();
    await load();
  });
});
find("#end").addEventListener("click", () => attempt(logout));
find("#end-all").addEventListener("click", () =>
  attempt(async () => {
    await call("/auth/sessions", { method: "DELETE" });
    await check();
  }),
);

async function load() {
  const notes = await (await call("/api/notes")).json();
  find("#notes ul").replaceChildren(
    ...notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })),
  );
}

/** A request with the session; an answer that is no success throws. */
async function call(path, init) {
  const answer = await fetch(path, init);
  if (!answer.ok) throw new Error(`The service refused this (${answer.status}).`);
  return answer;
}

/** Runs an action; what goes wrong is said in words. */
async function attempt(action) {
  find("[role=alert]").textContent = "";
  try {
    await action();
  } catch (error) {
    find("[role=alert]").textContent = error.message;
  }
}
