((key) => {
  const figure = document.getElementById(key);
  const sides = [...figure.querySelectorAll("[data-side]")];
  const tabs = [...figure.querySelectorAll("[aria-pressed]")];
  tabs.forEach((tab, at) => {
    tab.onclick = () => {
      sides.forEach((side, i) => { side.hidden = i !== at; });
      tabs.forEach((other, i) => other.setAttribute("aria-pressed", i === at));
    };
  });
  for (const side of sides) {
    const [slider, output] = ["input", "output"].map((tag) => side.querySelector(tag));
    const frames = [...side.querySelectorAll(".layer-frame")];
    if (slider) slider.oninput = () => {
      const told = frames[Number(slider.value)].dataset.label;
      frames.forEach((frame, i) => { frame.hidden = i !== Number(slider.value); });
      slider.setAttribute("aria-valuetext", told);
      output.textContent = told;
    };
  }
  figure.querySelector(".layer-enlarge").onclick = () => {
    const large = document.createElement("dialog");
    large.className = "layer-figure layer-large";
    large.innerHTML = '<form method="dialog"><button>close</button></form>';
    large.append(figure.querySelector("[data-side]:not([hidden]) .layer-frame:not([hidden])").cloneNode(true));
    large.onclose = () => large.remove();
    document.body.append(large);
    large.showModal();
  };
})
