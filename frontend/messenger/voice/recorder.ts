/** Records a voice note: a bar over the text box, with the time, the loudness, and buttons to throw away and to send. */

import { make } from "../dialog";
import { say } from "../words";
import { nameNote } from "./note";
import { sayTime } from "./waveform";

const TYPES = [
  "audio/ogg;codecs=opus",
  "audio/mp4;codecs=mp4a.40.2",
  "audio/mp4;codecs=opus",
  "audio/webm;codecs=opus",
];
const SECONDS_MAX = 15 * 60;
const LOOK_MS = 100;

function icon(path: string): SVGElement {
  const holder = make("template");
  holder.innerHTML = `<svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path d="${path}"/></svg>`;
  return holder.content.firstElementChild as SVGElement;
}

function button(label: string, kind: string, path: string): HTMLButtonElement {
  return make("button", { type: "button", class: kind, title: label, "aria-label": label }, icon(path));
}

/**
 * Record until the user sends it or throws it away.
 *
 * @param place Where the bar is put.
 * @returns The recording, or null when it was thrown away.
 * @throws DOMException when the microphone cannot be used.
 */
export async function record(place: Element): Promise<File | null> {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: true, noiseSuppression: true, channelCount: 1 },
  });
  const type = TYPES.find((one) => MediaRecorder.isTypeSupported(one)) ?? "";
  const recorder = new MediaRecorder(stream, { ...(type && { mimeType: type }), audioBitsPerSecond: 32_000 });
  const parts: Blob[] = [];
  recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));

  const remove = button(say("voiceThrow"), "raftline-throw", "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13");
  const send = button(say("voiceSend"), "raftline-send", "M4 12V4l17 8-17 8v-8zm0 0h9");
  const time = make("span", { class: "raftline-voice-time", role: "timer" }, "0:00");
  const level = make("meter", { min: "0", max: "1", value: "0", "aria-hidden": "true" });
  const said = make("span", { class: "raftline-recording", role: "status" }, say("voiceRecording"));
  const bar = make("div", { class: "raftline-recorder", role: "group" }, remove, said, time, level, send);
  bar.setAttribute("aria-label", say("voiceRecording"));
  place.append(bar);
  send.focus();
  recorder.start();

  const stopLooking = watchLoudness(stream, (loudness, seconds) => {
    level.value = loudness;
    time.textContent = sayTime(seconds);
    if (seconds >= SECONDS_MAX && recorder.state === "recording") recorder.pause();
  });
  const isKept = await new Promise<boolean>((resolve) => {
    remove.addEventListener("click", () => resolve(false));
    send.addEventListener("click", () => resolve(true));
    bar.addEventListener("keydown", (event) => event.key === "Escape" && resolve(false));
  });
  const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
  recorder.stop();
  await stopped;
  stopLooking();
  for (const track of stream.getTracks()) track.stop();
  bar.remove();
  if (!isKept) return null;
  const plain = recorder.mimeType.split(";")[0] ?? "";
  return new File(parts, nameNote(plain, new Date()), { type: plain });
}

function watchLoudness(stream: MediaStream, look: (loudness: number, seconds: number) => void): () => void {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 512 });
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const began = performance.now();
  const handle = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    look(Math.min(1, Math.max(...samples.map(Math.abs)) * 1.5), (performance.now() - began) / 1000);
  }, LOOK_MS);
  return () => {
    clearInterval(handle);
    context.close();
  };
}
