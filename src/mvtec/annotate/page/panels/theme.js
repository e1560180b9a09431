// Light or dark: as the system says, until the person says otherwise.

import { say } from "./message.js";

const KEY = "mvtec:theme";

function apply(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}

export function startTheme() {
  apply(localStorage.getItem(KEY));
  const toggle = () => {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const theme = (document.documentElement.dataset.theme ?? system) === "dark" ? "light" : "dark";
    localStorage.setItem(KEY, theme);
    apply(theme);
    say(`${theme === "dark" ? "Dark" : "Light"}.`);
  };
  for (const button of document.querySelectorAll("[data-theme-toggle]")) button.addEventListener("click", toggle);
}
