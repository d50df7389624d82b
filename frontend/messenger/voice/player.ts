/**
 * Plays a voice note: a button, the outline, the time. The recording is fetched when it is played, or before when its
 * outline did not come with the message. The event `played` tells that somebody has begun to listen.
 */

import { make } from "../dialog";
import type { NodeRing } from "../nodes";
import { fetchFile } from "../sealed";
import { say } from "../words";
import type { VoiceNote } from "./note";
import { readOutline, sayTime } from "./waveform";

const PLAY = "M7 4v16l13-8z";
const PAUSE = "M6 4h4v16H6zM14 4h4v16h-4z";
const SVG = "http://www.w3.org/2000/svg";

function draw(name: string, attributes: Record<string, string>): SVGElement {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export class VoicePlayer extends HTMLElement {
  note: VoiceNote | null = null;
  ring: NodeRing | null = null;
  private audio: HTMLAudioElement | null = null;
  private readonly icon = draw("path", { d: PLAY });
  private readonly button = make("button", { type: "button", class: "raftline-play" });
  private readonly bars = draw("svg", { class: "raftline-bars", preserveAspectRatio: "none", "aria-hidden": "true" });
  private readonly slider = make("input", { type: "range", min: "0", max: "1000", value: "0", step: "10" });
  private readonly time = make("span", { class: "raftline-voice-time" });
  private seconds = 0;

  connectedCallback(): void {
    if (this.childElementCount > 0 || !this.note) return;
    const picture = draw("svg", { viewBox: "0 0 24 24", width: "22", height: "22", "aria-hidden": "true" });
    picture.append(this.icon);
    this.button.append(picture);
    this.slider.setAttribute("aria-label", say("voicePosition"));
    this.append(this.button, make("span", { class: "raftline-track" }, this.bars, this.slider), this.time);
    this.button.addEventListener("click", () => this.toggle());
    this.slider.addEventListener("input", () => this.seek());
    this.setAttribute("role", "group");
    this.outline(this.note.peaks, this.note.seconds);
    this.show();
    if (!this.note.peaks) this.learnOutline();
  }

  disconnectedCallback(): void {
    if (!this.audio) return;
    this.audio.pause();
    URL.revokeObjectURL(this.audio.src);
    this.audio = null;
  }

  private outline(peaks: number[] | undefined, seconds: number | undefined): void {
    this.seconds = seconds ?? 0;
    const heights = peaks ?? Array.from({ length: 48 }, () => 8);
    this.bars.setAttribute("viewBox", `0 0 ${heights.length * 4} 100`);
    const bars = heights.map((height, place) => {
      const size = Math.max(8, height);
      return draw("rect", {
        x: String(place * 4),
        y: String(50 - size / 2),
        width: "2.4",
        height: String(size),
        rx: "1.2",
      });
    });
    this.bars.replaceChildren(...bars);
    this.setAttribute("aria-label", say("voiceNote", sayTime(this.seconds)));
  }

  private async learnOutline(): Promise<void> {
    try {
      const { peaks, seconds } = await readOutline(await this.fetch());
      this.outline(peaks, seconds);
      this.show();
    } catch (cause) {
      this.fail(cause);
    }
  }

  private fetch(): Promise<ArrayBuffer> {
    if (!this.note || !this.ring) throw new Error("there is nothing to play");
    return fetchFile(this.note.url, this.ring);
  }

  private async toggle(): Promise<void> {
    try {
      this.audio ??= this.prepare(await this.fetch());
      if (this.audio.paused) await this.audio.play();
      else this.audio.pause();
    } catch (cause) {
      this.fail(cause);
    }
  }

  private prepare(recording: ArrayBuffer): HTMLAudioElement {
    const audio = new Audio(URL.createObjectURL(new Blob([recording], { type: this.note?.type ?? "" })));
    for (const event of ["play", "pause", "timeupdate", "ended"]) audio.addEventListener(event, () => this.show());
    audio.addEventListener("play", () => this.dispatchEvent(new Event("played")), { once: true });
    audio.addEventListener("ended", () => {
      audio.currentTime = 0;
    });
    return audio;
  }

  private seek(): void {
    if (this.audio) this.audio.currentTime = (this.slider.valueAsNumber / 1000) * this.seconds;
    this.show();
  }

  /** Put on what there is to see: the state of the button, how far it has come, the time. */
  private show(): void {
    const isPlaying = this.audio !== null && !this.audio.paused;
    const at = this.audio?.currentTime ?? 0;
    const share = this.seconds > 0 ? Math.min(1, at / this.seconds) : 0;
    this.icon.setAttribute("d", isPlaying ? PAUSE : PLAY);
    this.button.setAttribute("aria-label", say(isPlaying ? "voicePause" : "voicePlay"));
    this.dataset.state = isPlaying ? "playing" : "still";
    this.slider.value = String(Math.round(share * 1000));
    this.slider.setAttribute("aria-valuetext", sayTime(at));
    this.time.textContent = sayTime(isPlaying || at > 0 ? at : this.seconds);
    for (const [place, bar] of [...this.bars.children].entries()) {
      bar.classList.toggle("raftline-heard", place / this.bars.childElementCount < share);
    }
  }

  private fail(cause: unknown): void {
    console.warn("a voice note cannot be played", cause);
    this.time.textContent = say("voiceSilent");
    this.dataset.state = "failed";
  }
}
