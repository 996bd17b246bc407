"use strict";
// What models and files said is only ever set as text, never as HTML.
const one = (selector, inside = document) => inside.querySelector(selector);
const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
const data = JSON.parse(one("#data").textContent);
const MOST_ROWS = 30;
const SECONDS = Number(document.body.dataset.live || 0);

// `{name}` in what is said stands for a value.
const say = (name, values = {}) => data.words.said[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);

function make(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function has(text, needle) {
  const found = text.toLowerCase();
  return needle.toLowerCase().split(/\s+/).every(word => found.includes(word));
}

// Tables: sorting by any column, a filter, and which columns are shown.
function sortable(table) {
  const heads = all("thead th", table);
  [...table.tBodies[0].rows].forEach((row, place) => { row.dataset.place = place; });
  heads.forEach((head, column) => {
    if (head.dataset.plain !== undefined) return;
    const title = head.textContent;
    const button = make("button", title, {type: "button"});
    head.replaceChildren(button);
    const upFirst = head.classList.contains("left") || title === "#" || title.endsWith("↓");
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const up = before ? before === "descending" : upFirst;
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      sortBy(table.tBodies[0], column, up, title === "#");
    });
  });
}

// Equal ranks keep the order in which the board has them.
function sortBy(body, column, up, ranks) {
  const key = row => {
    if (ranks) return {missing: false, value: Number(row.dataset.place)};
    const text = row.cells[column].textContent.trim();
    const number = parseFloat(text);
    return {missing: text === "" || text === "-", value: Number.isNaN(number) ? text : number};
  };
  const rows = [...body.rows].map(row => ({row, fixed: row.classList.contains("baseline"), ...key(row)}));
  rows.sort((a, b) => {
    if (a.fixed || b.fixed) return b.fixed - a.fixed;
    if (a.missing || b.missing) return a.missing - b.missing;
    const numbers = typeof a.value === "number" && typeof b.value === "number";
    const order = numbers ? a.value - b.value : String(a.value).localeCompare(String(b.value));
    return up ? order : -order;
  });
  body.append(...rows.map(({row}) => row));
}

function columnsOf(table, place) {
  const heads = all("thead th", table);
  heads.forEach((head, column) => {
    if (head.dataset.plain !== undefined || head.classList.contains("fixed")) return;
    const box = make("input", "", {type: "checkbox"});
    const label = make("label", "");
    label.append(box, " " + head.textContent);
    const show = () => [...table.rows].forEach(row => { row.cells[column].hidden = !box.checked; });
    box.checked = head.dataset.less === undefined;
    box.addEventListener("change", show);
    show();
    place.append(label);
  });
}

// Two or more trials side by side: only what differs.
const chosen = new Set();
const saidBy = new Map(data.answers.trials.map(trial => [trial.id, new Map(trial.rows.map(row => [row[0], row]))]));

function addBoxes(table) {
  one("thead tr", table).prepend(make("th", say("compare"), {"data-plain": "", scope: "col"}));
  for (const row of table.tBodies[0].rows) {
    const cell = make("td");
    if (row.dataset.trial) {
      const box = make("input", "", {type: "checkbox", "aria-label": say("compare_trial", {trial: row.dataset.trial})});
      box.dataset.trial = row.dataset.trial;
      box.addEventListener("change", () => {
        chosen[box.checked ? "add" : "delete"](row.dataset.trial);
        compare();
        remember();
      });
      cell.append(box);
    }
    row.prepend(cell);
  }
}

function compare() {
  const trials = data.trials.filter(trial => chosen.has(trial.id));
  const place = one("#compared");
  place.replaceChildren();
  if (trials.length < 2) {
    place.append(make("p", say("choose"), {class: "quiet"}));
    return;
  }
  const rows = [[say("status"), trials.map(trial => trial.status)]];
  for (const [part, digits] of [["sample", null], ["figures", 2]]) {
    const names = new Set(trials.flatMap(trial => Object.keys(trial[part])));
    for (const name of names) {
      rows.push([name, trials.map(trial => {
        const value = trial[part][name];
        return value === undefined ? "-" : digits === null ? String(value) : value.toFixed(digits);
      })]);
    }
  }
  const alike = values => new Set(values.filter(value => value !== "-")).size < 2;
  const differ = rows.filter(([, values]) => !alike(values));
  place.append(tableOf([say("differs"), ...trials.map(trial => trial.id)], differ.map(([name, values]) => [name, ...values]), "pair"));
  const answered = trials.filter(trial => saidBy.has(trial.id));
  if (answered.length < 2) return;
  const lines = [];
  data.answers.probes.forEach((probe, n) => {
    const rows = answered.map(trial => saidBy.get(trial.id).get(n));
    if (rows.every(Boolean) && new Set(rows.map(row => row[1])).size > 1) {
      lines.push([about(probe), probe[4], probe[5], ...rows.map(told)]);
    }
  });
  place.append(make("h3", say("unlike", {n: lines.length})));
  if (lines.length) place.append(tableOf([say("question"), say("wording"), say("expected"), ...answered.map(trial => trial.id)], lines.slice(0, MOST_ROWS), "texts"));
  if (lines.length > MOST_ROWS) place.append(make("p", say("first", {n: MOST_ROWS}), {class: "quiet"}));
}

function about(probe) {
  const kind = say("level", {level: probe[1], kind: data.words.kinds[probe[2]]});
  return probe[0] + "\n" + kind + "\n" + data.words.splits[probe[3]] + (probe[6] ? ", " + probe[6] : "");
}

function told(row) {
  const outcome = data.words.outcomes[data.answers.outcomes[row[1]]];
  const said = row[3] ? say("said_wrong", {outcome, claims: row[3]}) : say("said", {outcome});
  return data.answers.texts[row[2]] + "\n" + said;
}

function tableOf(header, rows, style) {
  const table = make("table", "", {class: style});
  const head = make("tr");
  header.forEach((title, n) => head.append(make("th", title, {scope: "col", class: n ? "" : "left"})));
  const top = make("thead");
  top.append(head);
  const body = make("tbody");
  for (const row of rows) {
    const line = make("tr");
    row.forEach((text, n) => line.append(n ? make("td", text, {"data-label": header[n]}) : make("th", text, {scope: "row", class: "left"})));
    body.append(line);
  }
  table.append(top, body);
  const within = {class: "scroll", tabindex: "0", role: "region", "aria-label": header.join(", ")};
  const scroll = make("div", "", style === "texts" ? {} : within);
  scroll.append(table);
  return scroll;
}

// Answers of any trial.
function showAnswers(most = MOST_ROWS) {
  const name = one("#answers-trial").value;
  const [level, outcome, split] = ["level", "outcome", "split"].map(field => one("#answers-" + field).value);
  const needle = one("#answers-needle").value.trim();
  const before = new Map(data.answers.base.map(row => [row[0], row]));
  const rows = [];
  for (const row of saidBy.get(name).values()) {
    const probe = data.answers.probes[row[0]];
    const outcomeOf = data.answers.outcomes[row[1]];
    if (level && String(probe[1]) !== level || split && probe[3] !== split) continue;
    if (outcome === "not correct" ? outcomeOf === "correct" : outcome && outcomeOf !== outcome) continue;
    const base = before.has(row[0]) ? data.answers.texts[before.get(row[0])[2]] : "";
    const line = [about(probe), probe[4], probe[5], base, told(row)];
    if (!needle || has(line.join(" "), needle)) rows.push(line);
  }
  const place = one("#answers-found");
  place.replaceChildren(tableOf([say("question"), say("wording"), say("expected"), say("base_model"), name], rows.slice(0, most), "texts"));
  one("#answers-count").textContent = say("count", {n: rows.length, all: saidBy.get(name).size});
  if (rows.length > most) {
    const more = make("button", say("show_all", {n: rows.length}), {type: "button"});
    more.addEventListener("click", () => showAnswers(Infinity));
    const line = make("p", "", {class: "controls"});
    line.append(more);
    place.append(line);
  }
}

// What is chosen stands in the address, so that a link leads back to it.
function remember() {
  const parts = [];
  if (chosen.size) parts.push("compare=" + [...chosen].map(encodeURIComponent).join(","));
  const select = one("#answers-trial");
  if (select && select.selectedIndex > 0) parts.push("answers=" + encodeURIComponent(select.value));
  history.replaceState(null, "", parts.length ? "#" + parts.join("&") : location.pathname + location.search);
}

// Loaded once more: the browser puts the reader back where they were.
const again = performance.getEntriesByType("navigation").some(entry => entry.type === "reload");

// Of a search that runs: look again, unless somebody is typing, has filtered, sorted or marked something.
function lookAgain() {
  const typed = all("input[type=search], input[type=text]").some(input => input.value !== "");
  const busy = typed || one("input:focus, select:focus, [aria-sort]") || getSelection().toString() !== "";
  if (busy) setTimeout(lookAgain, 1000 * SECONDS);
  else location.reload();
}

function recall() {
  for (const part of location.hash.slice(1).split("&")) {
    const [name, value = ""] = part.split("=");
    try {
      const names = value.split(",").map(decodeURIComponent);
      if (name === "compare") {
        const boxes = all("#trials input[data-trial]").filter(box => names.includes(box.dataset.trial));
        boxes.forEach(box => { box.checked = true; chosen.add(box.dataset.trial); });
        if (boxes.length && !again) one("#compare").scrollIntoView();
      } else if (name === "answers" && saidBy.has(names[0])) {
        one("#answers-trial").value = names[0];
        if (!again) one("#answers").scrollIntoView();
      }
    } catch (error) {
      if (!(error instanceof URIError)) throw error;
    }
  }
}

all(".needs-script").forEach(element => { element.hidden = false; });
const trials = one("#trials table");
if (trials) {
  addBoxes(trials);
  columnsOf(trials, one("#trials .columns div"));
  one("#trials-needle").addEventListener("input", event => {
    const needle = event.target.value.trim();
    for (const row of trials.tBodies[0].rows) row.hidden = needle !== "" && !has(row.textContent, needle);
  });
}
all("table.sortable").forEach(sortable);
if (SECONDS) setTimeout(lookAgain, 1000 * SECONDS);
recall();
if (one("#compared")) compare();
if (one("#answers-trial")) {
  all("#answers select, #answers input").forEach(input => input.addEventListener("input", () => { showAnswers(); remember(); }));
  showAnswers();
}
