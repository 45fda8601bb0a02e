/** Asks the server: JSON there and back, with the session's token; a refusal comes as an error with its code and its words. */

import { locale, t } from "/static/web/format.js";

export class Refused extends Error {
  constructor(status, problem) {
    // Titles come in the reader's language, details in English; what is merely invalid says only there what to mend.
    const words = locale === "en" || problem.code === "invalid" ? problem.detail || problem.title : problem.title || problem.detail;
    super(words || t("That did not work; try again"));
    this.status = status;
    this.code = problem.code ?? "";
    this.problem = problem;
  }
}

/** The answer's document. Throws Refused, or TypeError where nothing came back. */
export async function call(method, address, body, { seconds = 20 } = {}) {
  const answer = await fetch(address, {
    method,
    headers: { accept: "application/json", "accept-language": locale, "content-type": "application/json", "x-csrf-token": document.body.dataset.csrf },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(seconds * 1000),
  });
  const text = await answer.text();
  let value = {};
  try {
    value = JSON.parse(text);
  } catch {
    // A proxy's page instead of an answer: what it was is told by the status.
  }
  if (!answer.ok) throw new Refused(answer.status, value);
  return value;
}
