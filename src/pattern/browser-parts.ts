// Whether a process is a part of the browser that started it.
import type { ProcessObservation } from '../model/observation.ts';

/** Browsers whose parts are processes of their own (Chromium's multi-process architecture), where only an installer writes. */
const browser =
  /^(?:c:\\program files(?: \(x86\))?\\.*|\/usr\/lib(?:64)?\/.*|\/opt\/.*)[\\/](?:msedge|chrome|chromium|brave|vivaldi)(?:\.exe)?$/;
const partType = /^--type=(?:renderer|gpu-process|utility|zygote|ppapi|crashpad-handler)$/;
/** Switches by which a part runs, or lets in, something else. */
const runsOther =
  /^--(?:[\w-]*-launcher|[\w-]*-cmd-prefix|load-extension|remote-debugging[\w-]*|register-pepper-plugins)\b/;

/** A browser that starts one of its own parts. */
export function isBrowserPart({ image, parent }: ProcessObservation): boolean {
  if (image.exe === null || image.exe !== parent?.exe || !browser.test(image.exe)) return false;
  return partType.test(image.argv[1] ?? '') && !image.argv.some((argument) => runsOther.test(argument));
}
