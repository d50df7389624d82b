/**
 * Pictures that Converse.js shows: each gets its name as its text for those who do not see it, and one whose node is gone
 * is fetched from the node in use, which has it too.
 */

import type { NodeRing } from "./nodes";
import { nameOf } from "./sealed";

export function mendPictures(ring: NodeRing): void {
  const onPicture = (event: Event, mend: (image: HTMLImageElement) => void) => {
    const image = event.target;
    if (image instanceof HTMLImageElement && image.classList.contains("chat-image")) mend(image);
  };
  document.addEventListener(
    "load",
    (event) => {
      onPicture(event, (image) => {
        if (image.alt === "") image.alt = image.src.startsWith("blob:") ? "" : nameOf(image.src);
      });
    },
    true,
  );
  document.addEventListener(
    "error",
    (event) => {
      onPicture(event, (image) => {
        const other = ring.fileAt(image.src);
        if (other !== image.src) image.src = other;
      });
    },
    true,
  );
}
