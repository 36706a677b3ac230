// The service as the page sees it: its commands, its news, login and logout.

const FIELDS = { "Content-Type": "application/json", "X-Dohproxy-Console": "1" };
const AGAIN_MILLISECONDS = 3000;

export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

async function post(path, body) {
  const answer = await fetch(path, { method: "POST", headers: FIELDS, body: JSON.stringify(body), cache: "no-store" });
  const said = await answer.json();
  if (!answer.ok) throw new Refused(answer.status, [said.sentence, ...(said.lines || [])].join(" "));
  return said;
}

export const command = (name, values = {}) => post(`/v1/${name.replaceAll(" ", "/")}`, values);
export const logIn = (token) => post("/console/login", { token });
export const logOut = () => post("/console/logout", {});

// Listens while somebody can see the page; `on` has a function for each event, and `up`, `down` and `login`.
export class News {
  constructor(on) {
    this.on = on;
    this.stopped = new AbortController();
    this.running = false;
    document.addEventListener("visibilitychange", () => this.look());
  }

  look() {
    if (document.visibilityState === "visible") this.listen();
    else this.stopped.abort();
  }

  async listen() {
    if (this.running) return;
    this.running = true;
    this.stopped = new AbortController();
    let waits = true;
    try {
      waits = await this.read(this.stopped.signal);
    } catch (error) {
      if (!this.stopped.signal.aborted) this.on.down("The service cannot be reached; trying again.");
    }
    this.running = false;
    if (waits && document.visibilityState === "visible") setTimeout(() => this.look(), AGAIN_MILLISECONDS);
  }

  // Reads events to the end; tells whether to try again.
  async read(signal) {
    const answer = await fetch("/console/events", { signal, cache: "no-store" });
    if (answer.status === 401) {
      this.on.login();
      return false;
    }
    if (!answer.ok) {
      this.on.down((await answer.json()).sentence);
      return true;
    }
    this.on.up();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let held = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      held += value;
      const parts = held.split("\n\n");
      held = parts.pop();
      for (const part of parts) this.take(part);
    }
    this.on.down("The service has closed the connection; trying again.");
    return true;
  }

  take(part) {
    const [event, data] = part.split("\n", 2);
    this.on[event.slice("event: ".length)](JSON.parse(data.slice("data: ".length)));
  }
}
