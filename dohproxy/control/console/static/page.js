// The operator's page: shows what the service tells, and gives its commands.

import { Charts } from "./charts.js";
import { News, command, logIn, logOut } from "./service.js";
import { Table, button, element, list, setMark, setText, text } from "./tables.js";

const SAID_MILLISECONDS = 12000;
const AGAIN_MILLISECONDS = 10000;
const MOST_ROWS = 100;
const WORDS = { well: "Well", mind: "Well, and something to know", bad: "Not well" };

const at = (id) => document.getElementById(id);
const charts = new Charts();
let quiet = 0;

// --- What is said, and asked before ---

function say(sentence) {
  setText(at("said"), sentence);
  clearTimeout(quiet);
  quiet = setTimeout(() => setText(at("said"), ""), SAID_MILLISECONDS);
}

function asked(title, words, line) {
  setText(at("confirm-title"), title);
  setText(at("confirm-text"), words);
  setText(at("confirm-command"), `dohproxy ${line}`);
  const dialog = at("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  at("confirm-no").focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

const quoted = (value) => (/^[\w.:\/-]+$/.test(value) ? value : `'${String(value).replaceAll("'", "'\\''")}'`);

// The same as somebody would type, for the dialog; `words` are the arguments in their places.
function typed(name, words, options) {
  const written = Object.entries(options).filter(([, value]) => value).map(([key, value]) => (value === true ? `--${key}` : `--${key} ${quoted(value)}`));
  return [name, ...words.map(quoted), ...written].join(" ");
}

async function give(name, values, pressed, tell = (said) => [said.sentence, ...(said.lines || [])].join(" ")) {
  // Not disabled, which would take the focus away from who uses a keyboard.
  if (pressed && pressed.getAttribute("aria-disabled") === "true") return null;
  if (pressed) pressed.setAttribute("aria-disabled", "true");
  try {
    const said = await command(name, values);
    say(tell(said));
    return said;
  } catch (error) {
    if (error.status === 401) showLogin();
    say(error.status ? error.message : "The service cannot be reached.");
    return null;
  } finally {
    if (pressed) pressed.removeAttribute("aria-disabled");
  }
}

async function change(title, words, name, values, line, pressed) {
  if (!(await asked(title, words, line))) return null;
  const said = await give(name, values, pressed);
  if (said) renew();
  return said;
}

const given = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== "" && value !== false));

// --- Tables ---

const ago = (seconds) => {
  if (seconds === null) return "until it is taken back";
  if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
};
const clock = (unix) => new Date(unix * 1000).toLocaleString("en-GB", { dateStyle: "short", timeStyle: "medium" });
const whole = (value) => Math.round(value).toLocaleString("en");

const upstreams = new Table(at("upstreams"), "Health and budget of each upstream", [
  text("Name", (row) => row.name),
  { title: "State", kind: "", show: (cell, row) => setMark(cell, row.state) },
  text("In words", (row) => row.words, "what"),
  {
    title: "Budget left",
    kind: "number",
    show(cell, row) {
      if (!cell.firstChild) cell.append(element("meter", { min: 0 }), element("span"));
      const [meter, words] = cell.children;
      meter.max = row.burst;
      meter.value = row.left;
      meter.setAttribute("aria-label", `budget left of ${row.name}`);
      setText(words, ` ${whole(row.left)} of ${whole(row.burst)}, ${whole(row.per_second)}/s`);
    },
  },
  text("In flight", (row) => `${row.in_flight} of ${row.max_in_flight}`, "number"),
  text("Connections", (row) => `${row.connections} of ${row.max_connections}`, "number"),
  text("Round trip", (row) => `${row.milliseconds} ms`, "number"),
  button("To do", (row) => (row.is_paused ? "Resume" : "Pause"), (row) => `${row.is_paused ? "Resume" : "Pause"} ${row.name}`, (row, pressed) => {
    const name = row.is_paused ? "upstream resume" : "upstream pause";
    const words = row.is_paused ? "It is asked again, little at first." : "Nothing is sent to it until it is resumed. The others have to do.";
    change(`${row.is_paused ? "Resume" : "Pause"} ${row.name}?`, words, name, { name: row.name }, typed(name, [row.name], {}), pressed);
  }),
], (row) => row.name, "There are no upstreams.");

const recent = new Table(at("recent"), "Alerts of late", [
  text("Began", (row) => clock(row.began)),
  text("Ended", (row) => (row.ended === null ? "lasts" : clock(row.ended))),
  text("What", (row) => row.words, "what"),
  text("What to do", (row) => row.remedy, "what"),
], (row) => `${row.kind} ${row.subject} ${row.began}`, "No alert has begun since the start.");

const standing = new Table(at("standing"), "Places that are taken, by who holds them", [
  text("Of", (row) => row.bound.replaceAll("_", " ")),
  text("Members", (row) => whole(row.member || 0), "number"),
  text("Settled", (row) => whole(row.settled || 0), "number"),
  text("Strangers", (row) => whole(row.stranger || 0), "number"),
  text("There are", (row) => whole(row.most || 0), "number"),
], (row) => row.bound, "Nobody holds a place.");

const bans = new Table(at("bans"), "Who is banned, or let in by command", [
  text("Network", (row) => row.network),
  text("Is", (row) => (row.is_banned ? "banned" : "let in")),
  text("By", (row) => (row.level ? `${row.source}, level ${row.level}` : row.source)),
  text("Still for", (row) => ago(row.seconds_left)),
  text("Reason", (row) => row.reason, "what"),
  button("To do", (row) => (row.is_banned && /^[0-9a-f.:\/]+$/i.test(row.network) ? "Unban" : ""), (row) => `Unban ${row.network}`, (row, pressed) =>
    change(`Let ${row.network} in again?`, "It is let in whatever it does, for an hour.", "unban", { network: row.network }, typed("unban", [row.network], {}), pressed)),
], (row) => `${row.network} ${row.source}`, "Nobody is banned.");

const blocklists = new Table(at("blocklists"), "Blocklists", [
  text("List", (row) => row.name),
  text("Names", (row) => whole(row.names), "number"),
  text("Hits", (row) => whole(row.hits), "number"),
  text("Trouble", (row) => row.problem || "none", "what"),
], (row) => row.name, "There are no blocklists.");

const blocks = new Table(at("blocks"), "Names by hand", [
  text("Name", (row) => row.name + (row.below ? " and all below" : ""), "what"),
  text("Is", (row) => (row.is === "blocked" ? "blocked" : "let through")),
  text("Still for", (row) => ago(row.seconds_left)),
  text("Reason", (row) => (row.is === "blocked" ? row.text : ""), "what"),
  button("To do", (row) => (row.is === "blocked" ? "Unblock" : "Let lists decide"), (row) => `${row.is === "blocked" ? "Unblock" : "Let lists decide"} ${row.name}`, (row, pressed) => {
    const name = row.is === "blocked" ? "unblock" : "disallow";
    change(`Take back what was said of ${row.name}?`, "What the lists say of it holds again.", name, { name: row.name }, typed(name, [row.name], {}), pressed);
  }),
], (row) => row.name, "No name is blocked or let through by hand.");

const limits = new Table(at("limits"), "Limits by hand", [
  text("Key", (row) => row.key, "what"),
  text("Is", (row) => row.value, "number"),
  text("In the file", (row) => row.in_file ?? "–", "number"),
  text("Still for", (row) => (row.seconds_left === null ? "until a restart" : ago(row.seconds_left))),
  button("To do", () => "Reset", (row) => `Reset ${row.key}`, (row, pressed) =>
    change(`Reset ${row.key}?`, `What the file says holds again: ${row.in_file ?? "nothing"}.`, "limit", { key: row.key, reset: true }, typed("limit", [row.key], { reset: true }), pressed)),
], (row) => row.key, "No limit is held by hand.");

const rules = new Table(at("rules"), "Rules that do not act", [
  text("Rule", (row) => row.key, "what"),
  text("Is", (row) => (row.mode === "shadow" ? "only tried" : "off")),
  text("Would have", (row) => (row.mode === "shadow" ? row.would_have : ""), "what"),
  text("Since", (row) => (row.since === null ? "the start" : clock(row.since))),
], (row) => row.key, "All rules act.");

const announcements = new Table(at("announcements"), "What everybody is told", [
  text("Number", (row) => row.number),
  text("Text", (row) => row.text, "what"),
  text("Until", (row) => clock(row.until)),
  button("To do", () => "Withdraw", (row) => `Withdraw announcement ${row.number}`, (row, pressed) =>
    change("Withdraw the announcement?", row.text, "announce", { withdraw: row.number }, typed("announce", [], { withdraw: String(row.number) }), pressed)),
], (row) => row.number, "Nothing is announced.");

const top = new Table(at("top"), "Who asks most", [
  text("What", (row) => row.what, "what"),
  text("Requests", (row) => whole(row.count) + (row.error ? ` (at most ${whole(row.error)} less)` : ""), "number"),
  text("Share", (row) => `${row.share} %`, "number"),
  text("How they end", (row) => Object.keys(row.reasons || {}).slice(0, 3).join(", "), "what"),
  text("Mostly", (row) => row.mostly || ""),
], (row) => row.what, "");

// --- What is shown only while somebody wants to see it ---

class Shown {
  constructor(id, name, rows, table, show, hide) {
    this.pressed = at(`${id}-show`);
    this.name = name;
    this.rows = rows;
    this.table = table;
    this.isOpen = false;
    this.readAt = 0;
    this.signature = "";
    this.words = [show, hide];
    at(id).hidden = true;
    this.pressed.addEventListener("click", () => {
      this.isOpen = !this.isOpen;
      at(id).hidden = !this.isOpen;
      this.pressed.setAttribute("aria-expanded", String(this.isOpen));
      setText(this.pressed, this.isOpen ? hide : show);
      if (this.isOpen) this.read();
      else this.table.show([]);
    });
  }

  // Reads it anew when its numbers have changed, and not all the time.
  heed(signature) {
    if (!this.isOpen || signature === this.signature || Date.now() - this.readAt < AGAIN_MILLISECONDS) return;
    this.signature = signature;
    this.read();
  }

  async read() {
    if (!this.isOpen) return;
    this.readAt = Date.now();
    try {
      const said = await command(this.name);
      if (this.isOpen) this.table.show(said[this.rows].slice(0, MOST_ROWS));
    } catch (error) {
      say(error.message);
    }
  }
}

const shownBans = new Shown("bans", "bans", "bans", bans, "Show who is banned", "Put away");
const shownBlocks = new Shown("blocks", "blocks", "by_hand", blocks, "Show names by hand", "Put away");

function renew() {
  shownBans.read();
  shownBlocks.read();
}

// --- News ---

const fewer = (count, one, many) => (count === 1 ? `1 ${one}` : `${whole(count)} ${many}`);

function show(state) {
  at("login").hidden = true;
  at("board").hidden = false;
  at("board").classList.remove("stale");
  at("headline").dataset.state = state.state;
  setText(at("word"), WORDS[state.state]);
  list(at("sentences"), state.sentences, "");
  setText(at("more"), state.more);
  setText(at("version"), state.version);
  setText(at("link"), `Live, ${state.viewers} of ${state.max_viewers} look`);
  document.title = `${WORDS[state.state]} – dohproxy`;
  list(at("alerts"), state.alerts.map((words) => `▲ ${words}`), "● Nothing is wrong.");
  recent.show(state.recent);
  upstreams.show(state.upstreams);
  setText(at("mode"), state.mode.sentence);
  const { slots, max_slots: most, member_questions: questions, member_failures: failures } = state.standing;
  setText(at("member-questions"), `Of ${fewer(questions, "question", "questions")} of members that the cache could not answer, ${whole(failures)} came to nothing.`);
  standing.show(Object.entries(slots).map(([bound, held]) => ({ bound, ...held, most: most[bound] })));
  setText(at("bans-count"), `${fewer(state.bans.rule, "network", "networks")} by rule, ${whole(state.bans.command)} by command.`);
  blocklists.show(state.blocklists);
  setText(at("blocks-count"), `${fewer(state.blocks, "name", "names")} by hand.`);
  list(at("by-hand"), state.by_hand.map((one) => one.words), "Nothing is held by hand.");
  limits.show(state.limits);
  rules.show(state.rules);
  announcements.show(state.announcements);
  shownBans.heed(`${state.bans.rule} ${state.bans.command}`);
  shownBlocks.heed(String(state.blocks));
  charts.add(state.point);
}

function showLogin() {
  at("board").hidden = true;
  at("login").hidden = false;
  at("logout").hidden = true;
  setText(at("link"), "Not logged in");
}

const news = new News({
  state: show,
  past: (event) => charts.start(event.points),
  up: () => setText(at("link"), "Live"),
  down(sentence) {
    setText(at("link"), sentence);
    at("board").classList.add("stale");
  },
  login: showLogin,
});

// --- Forms ---

function onSubmit(id, act) {
  at(id).addEventListener("submit", (event) => {
    event.preventDefault();
    act(event.submitter, event.target);
  });
}

async function enter(token) {
  try {
    await logIn(token);
    setText(at("login-said"), "");
    at("logout").hidden = false;
    sessionStorage.setItem("loggedIn", "1");
    news.look();
  } catch (error) {
    showLogin();
    setText(at("login-said"), error.message);
  }
}

onSubmit("login-form", () => {
  const token = at("token").value.trim();
  at("token").value = "";
  enter(token.slice(token.lastIndexOf("#") + 1));
});

at("logout").addEventListener("click", async () => {
  sessionStorage.removeItem("loggedIn");
  await logOut().catch(() => null);
  location.reload();
});

onSubmit("mode-form", (pressed) => {
  const mode = pressed.value;
  const span = mode === "auto" ? "" : at("mode-for").value;
  const words = { members: "Everybody else is turned away, on open connections too.", open: "Everybody is served, whatever a rule says.", auto: "The rules decide again." }[mode];
  change(`${pressed.textContent}?`, words, "mode", given({ mode, for: span }), typed("mode", [mode], { for: span }), pressed);
});

onSubmit("ban-form", async (pressed, form) => {
  const [network, span, reason] = ["ban-network", "ban-for", "ban-reason"].map((id) => at(id).value.trim());
  const line = typed("ban", [network], { for: span, reason });
  if (await change(`Ban ${network}?`, "It is turned away, and its open connections end now.", "ban", given({ network, for: span, reason }), line, pressed)) form.reset();
});

onSubmit("block-form", async (pressed, form) => {
  const [name, span, reason] = ["block-name", "block-for", "block-reason"].map((id) => at(id).value.trim());
  const below = at("block-below").checked;
  const isBlock = pressed.value === "block";
  const words = isBlock ? "It is refused, and whoever asks for it is told the reason." : "It is answered, whatever the lists say.";
  const values = given({ name, below, for: span, reason: isBlock ? reason : "" });
  const line = typed(pressed.value, [name], { below, for: span, reason: values.reason });
  if (await change(`${pressed.textContent} ${name}?`, words, pressed.value, values, line, pressed)) form.reset();
});

onSubmit("limit-form", async (pressed, form) => {
  const [key, value, span] = ["limit-key", "limit-value", "limit-for"].map((id) => at(id).value.trim());
  const line = typed("limit", [key, value], { for: span });
  if (await change(`Hold ${key} to ${value}?`, "It holds at once, on open connections too, and then what the file says again.", "limit", { key, value, for: span }, line, pressed)) form.reset();
});

onSubmit("announce-form", async (pressed, form) => {
  const [words, span] = ["announce-text", "announce-for"].map((id) => at(id).value.trim());
  if (await change("Tell everybody?", words, "announce", { text: words, for: span }, typed("announce", [words], { for: span }), pressed)) form.reset();
});

onSubmit("top-form", async (pressed) => {
  const [by, span] = ["top-by", "top-for"].map((id) => at(id).value);
  setText(at("top-said"), "Looking…");
  const said = await give("top", { by, for: span }, pressed, () => "");
  setText(at("top-said"), said ? said.sentence : "");
  top.show(said ? said.top : []);
  at("top-away").hidden = !said;
});

at("top-away").addEventListener("click", () => {
  top.show([]);
  setText(at("top-said"), "");
  at("top-away").hidden = true;
  at("top-by").focus();
});

onSubmit("service-form", (pressed) => {
  const [name, values, words, line] = {
    reload: ["reload", {}, "It is adopted as a whole or, if anything is wrong with it, not at all.", "reload"],
    flush: ["flush", { all: true }, "What is asked next is asked upstream: that uses up the budgets.", "flush --all"],
    drain: ["drain", {}, "Requests under way are finished, and then it is gone. It does not come back by itself: systemctl start dohproxy", "drain"],
  }[pressed.value];
  change(`${pressed.textContent}?`, words, name, values, line, pressed);
});

// --- The start ---

const token = location.hash.slice(1);
if (/^[\w-]{20,}$/.test(token)) {
  // Good once, and no business of the history or of who looks over a shoulder.
  history.replaceState(null, "", "/");
  enter(token);
} else {
  at("logout").hidden = sessionStorage.getItem("loggedIn") !== "1";
  news.look();
}
