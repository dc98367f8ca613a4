/** Signing in with an API key. */
import { html, useState } from "../lib/html.js";
import { signIn } from "../lib/session.js";
import { useAction, useTitle } from "../lib/use.js";
import { Command, Field, Problem } from "../parts/ui.js";

export function SignIn() {
  useTitle("Sign in");
  const [key, setKey] = useState("");
  const [run, busy, error] = useAction(signIn);
  const submit = (event) => {
    event.preventDefault();
    run(key);
  };
  return html`<main class="signin" id="main">
    <h1>Campanile</h1>
    <form onSubmit=${submit}>
      <input type="text" name="username" autocomplete="username" value="campanile" hidden />
      <${Field} label="API key" hint="It is traded for a session of this browser and not kept.">
        <input type="password" name="key" required autofocus autocomplete="current-password" spellcheck="false"
          value=${key} onInput=${(event) => setKey(event.target.value)} />
      <//>
      <${Problem} error=${error} />
      <button type="submit" class="main" disabled=${busy || !key}>Sign in</button>
    </form>
    <p class="soft">The first start of the broker prints a key. More are made with one that has the scope admin:</p>
    <${Command} text=${`campanile keys create --name me --scope events:read --scope destinations:read`} />
  </main>`;
}
