export type Theme = "system" | "light" | "dark";

const key = "millrace.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

export function chosenTheme(): Theme {
  const value = localStorage.getItem(key);
  return value === "light" || value === "dark" ? value : "system";
}

export function chooseTheme(theme: Theme): void {
  if (theme === "system") localStorage.removeItem(key);
  else localStorage.setItem(key, theme);
  applyTheme();
}

/** Whether it is dark now. */
export function isDark(): boolean {
  const theme = chosenTheme();
  return theme === "system" ? dark.matches : theme === "dark";
}

const listeners = new Set<() => void>();

/** For what draws by itself: charts, the editor. */
export function onTheme(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function applyTheme(): void {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  for (const listener of listeners) listener();
}

dark.addEventListener("change", applyTheme);
