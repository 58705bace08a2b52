// What is wider than the page scrolls by itself. Focus lets the arrow keys do it.
const scrolling = "mjx-container, .math, figure, pre, table, dl.py, .cell_output, [style*=overflow]";

const reach = () => {
  for (const box of document.querySelectorAll(scrolling))
    if (box.matches("span.math") // which leans over its own edge, and scrolls where the line is too narrow for it
      ? box.scrollWidth > box.closest("p, li, dd, td, div").clientWidth
      : box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX === "auto")
      box.tabIndex = 0;
};

window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  reach();
  new ResizeObserver(reach).observe(document.body);
});
