/**
 * The words of our own pages, in English and Chinese: which of both the browser's list of languages asks for.
 *
 * Text that stands in a page carries `data-text="key"`, or `data-label="key"` where it is an `aria-label`.
 */

type Language = "en" | "zh";

/** The first language of the list that we have; English if there is none. */
export function pickLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const primary = tag.toLowerCase().split("-")[0];
    if (primary === "en" || primary === "zh") return primary;
  }
  return "en";
}

export const language: Language = pickLanguage(navigator.languages);

/** Chooses between two lists of words and fills in what stands in braces: `{0}`, `{1}`. */
export function translator<Words extends Record<string, string>>(
  english: Words,
  chinese: { [Key in keyof Words]: string },
): (key: keyof Words, ...values: (string | number)[]) => string {
  const words: { [Key in keyof Words]: string } = language === "zh" ? chinese : english;
  return (key, ...values) => words[key].replace(/\{(\d)\}/g, (_, place) => String(values[Number(place)] ?? ""));
}

/** Puts the words into the page. */
export function translatePage(say: (key: never) => string): void {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll<HTMLElement>("[data-text]")) {
    element.textContent = say(element.dataset.text as never);
  }
  for (const element of document.querySelectorAll<HTMLElement>("[data-label]")) {
    element.setAttribute("aria-label", say(element.dataset.label as never));
  }
}
