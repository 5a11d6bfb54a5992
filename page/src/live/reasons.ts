/** The gateway's reasons, in the reader's language where the page knows them; else as they came. */

import type { Severity } from "../types.ts";
import type { Words } from "../words/en.ts";

export function inWords(reason: string, words: Words): string {
  const dependency = /^(\S+) is (down|slow)$/.exec(reason);
  if (dependency?.[1] && dependency[2]) return words.reason.dependency(dependency[1], dependency[2]);
  const absent = /^no instance of (\S+) is up$/.exec(reason);
  if (absent?.[1]) return words.reason.absent(absent[1]);
  const alert = /^(critical|error|warning): (.*)$/s.exec(reason);
  if (alert?.[1]) return words.reason.alert(words.severity[alert[1] as Severity], alert[2] ?? "");
  return reason;
}
