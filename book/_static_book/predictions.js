// Predictions: choose, say how sure you are, then see. Bets stay in this browser, and nowhere else.
document.addEventListener("DOMContentLoaded", () => {
  const KEY = "layer-book-bets";
  const SURE = [["a guess", 0.4], ["fairly sure", 0.7], ["certain", 0.95]];
  const read = () => { try { return JSON.parse(localStorage.getItem(KEY)) || {}; } catch { return {}; } };
  const write = (bets) => { try { localStorage.setItem(KEY, JSON.stringify(bets)); } catch { /* kept on this page only */ } };
  const made = (tag, text, attributes = {}) => {
    const node = Object.assign(document.createElement(tag), attributes);
    if (text) node.textContent = text;
    return node;
  };

  // What tells the answer: the figure, and what follows it up to the next heading, bet or exercise.
  const ENDS = "section, h1, h2, h3, .layer-bet, .exercise, .proof";
  const telling = (figure) => {
    if (!figure) return [];
    const found = [figure];
    const cell = figure.closest(".cell") || figure;
    for (let next = cell.nextElementSibling; next && !next.matches(ENDS); next = next.nextElementSibling) found.push(next);
    return found;
  };
  // Themes lay figures out in their own way, so hidden alone is not enough.
  const veil = (nodes, veiled) => {
    for (const node of nodes) {
      node.classList.toggle("layer-veiled", veiled);
      Object.assign(node, { hidden: veiled }).style.display = veiled ? "none" : "";
    }
  };

  // What stays closed, in words, so that nobody takes the gap for the end of a section.
  const named = (nodes) => {
    const seen = nodes.flatMap((node) => [node, ...node.querySelectorAll("figure")]).filter((node) => node.matches("figure"));
    const parts = seen.map((figure) => figure.querySelector(".caption-number")?.textContent.trim() || "a figure");
    const text = nodes.filter((node) => node.matches("p, ul, ol")).length;
    if (text) parts.push(`${text} paragraph${text > 1 ? "s" : ""} of text`);
    return parts.join(", ").replace(/, ([^,]*)$/, " and $1") || "the answer";
  };

  const closed = new Set();
  for (const bet of document.querySelectorAll(".layer-bet")) {
    const asked = bet.querySelector(".layer-bet-asked"), told = bet.querySelector(".layer-bet-told");
    const list = bet.querySelector("ul"), right = Number(bet.dataset.answer) - 1;
    const tells = telling(document.getElementById(bet.dataset.figure || ""));
    const choices = made("fieldset"), status = made("p", "", { className: "layer-bet-status" });
    choices.append(made("legend", "Your bet"));
    status.setAttribute("role", "status");
    status.tabIndex = -1;  // where the keyboard goes on when the buttons are gone
    [...list.children].forEach((item, at) => {
      const label = made("label"), radio = made("input", "", { type: "radio", name: bet.id, value: at });
      label.append(radio, ...(item.querySelector("p") || item).childNodes);
      choices.append(label);
    });
    const buttons = made("div", "", { className: "layer-bet-buttons" });
    const show = (chosen, sure) => {
      if (!closed.delete(show)) return;
      told.hidden = false;
      veil(tells, false);
      if (chosen === null) status.textContent = "Shown without a bet.";
      else status.textContent = `Your bet (${sure}) was ${chosen === right ? "right" : "wrong"}.`;
      buttons.remove();
      for (const radio of choices.querySelectorAll("input")) {
        radio.disabled = true;
        radio.checked = Number(radio.value) === chosen;
        radio.parentElement.classList.toggle("layer-bet-right", Number(radio.value) === right);
      }
    };
    for (const [word, chance] of SURE) {
      buttons.append(made("button", word, { type: "button", onclick: () => {
        const radio = choices.querySelector("input:checked");
        if (!radio) { status.textContent = "Choose one of them first."; return; }
        const chosen = Number(radio.value);
        write({ ...read(), [bet.id]: { chosen, sure: word, chance, right: chosen === right, page: document.title,
          asked: asked.textContent.trim(), claim: bet.dataset.claim || "" } });
        show(chosen, word);
        status.focus();
      } }));
    }
    buttons.prepend(made("span", "How sure are you?"));
    const opens = (text, those) => made("button", text, { type: "button", onclick: () => {
      for (const each of those()) each(null);
      status.focus();
    } });
    buttons.append(made("p", `Closed until you bet: ${named(tells)}.`), opens("show without a bet", () => [show]),
      opens("show all on this page", () => [...closed]));
    list.replaceWith(choices);
    choices.after(buttons, status);
    told.hidden = true;
    veil(tells, true);
    closed.add(show);
    const before = read()[bet.id];
    if (before) show(before.chosen, before.sure);
    const led = () => {
      const to = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (to && tells.some((node) => node.contains(to))) show(null);
    };
    led();
    addEventListener("hashchange", led);
  }

  for (const place of document.querySelectorAll(".layer-calibration")) {
    const bets = Object.values(read());
    if (!bets.length) continue;
    const table = made("table", "", { className: "table" }), body = made("tbody");
    const row = (tag, cells, to) => { const line = made("tr"); line.append(...cells.map((c) => made(tag, c))); to.append(line); };
    const head = made("thead");
    row("th", ["you said", "that is", "bets", "right"], head);
    for (const [word, chance] of SURE) {
      const some = bets.filter((bet) => bet.sure === word), good = some.filter((bet) => bet.right).length;
      if (some.length) row("td", [word, `${100 * chance} %`, String(some.length), `${Math.round(100 * good / some.length)} %`], body);
    }
    table.append(head, body);
    const wrong = bets.filter((bet) => !bet.right).map((bet) => bet.asked);
    const forget = made("button", "forget my bets", { type: "button", onclick: () => { write({}); location.reload(); } });
    place.replaceChildren(table, made("p", wrong.length ? `What surprised you: ${wrong.join(" ")}` : "Nothing has surprised you so far."), forget);
    place.classList.add("layer-bet");
  }
});
