/**
 * A repair: now and then Chromium gives a menu no size that opens at a fixed place in the bar above a chat, on narrow
 * screens, until something else makes it lay out the page again. Here that is asked for.
 */

function layOutAgain(menu: HTMLElement): void {
  menu.style.display = "none";
  menu.getBoundingClientRect();
  menu.style.display = "";
}

export function repairMenus(): void {
  document.addEventListener(
    "click",
    () => {
      requestAnimationFrame(() => {
        for (const menu of document.querySelectorAll<HTMLElement>(".dropdown-menu.show")) {
          if (menu.getBoundingClientRect().width === 0) layOutAgain(menu);
        }
      });
    },
    true,
  );
}
