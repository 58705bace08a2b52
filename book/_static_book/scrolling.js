// What is wider than the page scrolls by itself. Focus lets the arrow keys do it.
const scrolling = "mjx-container, figure, pre, table, dl.py, .cell_output, div.math, [style*=overflow]";

const reach = () => {
  for (const box of document.querySelectorAll(scrolling))
    if (box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX === "auto") box.tabIndex = 0;
  // A formula in a line leans over its own edge, and scrolls only as long as the line is too narrow for it.
  for (const box of document.querySelectorAll("span.math"))
    if (box.scrollWidth > box.closest("p, li, dd, td, div").clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
};

window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  reach();
  new ResizeObserver(reach).observe(document.body);
});
