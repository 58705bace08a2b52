// A word of the glossary says on a card what it means, so that the reader need not leave the page.
// The card comes with the pointer, with focus, or with a first tap; it stays while the pointer is on it; Escape closes it.
(() => {
  const card = document.createElement("div");
  card.id = "layer-card";
  card.setAttribute("role", "tooltip");
  card.hidden = true;
  document.body.append(card);
  let shown = null;
  let leaving;

  const hide = () => {
    clearTimeout(leaving);
    shown?.removeAttribute("aria-describedby");
    shown = null;
    card.hidden = true;
  };
  const show = (link) => {
    clearTimeout(leaving);
    if (shown === link) return;
    hide();
    shown = link;
    card.textContent = link.dataset.meaning;
    link.setAttribute("aria-describedby", card.id);
    card.hidden = false;
    const word = link.getClientRects()[0];
    const most = document.documentElement.clientWidth - card.offsetWidth - 8;
    card.style.left = `${Math.max(8, Math.min(word.left, most)) + scrollX}px`;
    const above = word.bottom + card.offsetHeight > innerHeight && word.top > card.offsetHeight;
    card.style.top = `${(above ? word.top - card.offsetHeight : word.bottom) + scrollY}px`;
  };
  const leave = () => { clearTimeout(leaving); leaving = setTimeout(hide, 250); };

  for (const word of document.querySelectorAll(".bd-article a[title] > .std-term")) {
    const link = word.parentElement;
    link.dataset.meaning = link.title;
    link.removeAttribute("title");
    link.classList.add("layer-term");
    let touched = false;
    link.addEventListener("pointerdown", (event) => { touched = event.pointerType === "touch" && shown !== link; });
    link.addEventListener("click", (event) => { if (touched) { event.preventDefault(); show(link); } });
    link.addEventListener("pointerenter", (event) => { if (event.pointerType !== "touch") show(link); });
    link.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") leave(); });
    link.addEventListener("focus", () => { if (link.matches(":focus-visible")) show(link); });
    link.addEventListener("blur", hide);
  }
  card.addEventListener("pointerenter", () => clearTimeout(leaving));
  card.addEventListener("pointerleave", leave);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  document.addEventListener("pointerdown", (event) => {
    if (shown && !card.contains(event.target) && !shown.contains(event.target)) hide();
  });
})();
