// Shortens the list of virtual organizations as one types; Enter takes the only one that is left.
"use strict";
(() => {
  const few = 6; // that many are found at a glance
  const box = document.querySelector(".facility-search");
  const items = Array.from(document.querySelectorAll("#vos > li"));
  if (!box || items.length <= few) return;
  const input = box.querySelector("input");
  const found = document.getElementById("found");
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();
  const left = () => items.filter((item) => !item.hidden);

  input.addEventListener("input", () => {
    const words = plain(input.value).split(/\s+/);
    for (const item of items) {
      const text = plain(item.dataset.search);
      item.hidden = !words.every((word) => text.includes(word));
    }
    found.textContent = input.value ? `${left().length} of ${items.length}` : "";
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const links = left().flatMap((item) => Array.from(item.querySelectorAll("a")));
    if (links.length === 1) links[0].click();
  });
  box.hidden = false;
  if (!document.getElementById("continue")) input.focus();
})();
