/** A figure whose digits roll to their new places; read as one text, and still where motion is not wanted. */

const STRIP = "0123456789";
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Counter {
  constructor(host) {
    this.host = host;
    this.spoken = Object.assign(document.createElement("span"), { className: "visually-hidden" });
    this.wheels = Object.assign(document.createElement("span"), { className: "wheels" });
    this.wheels.setAttribute("aria-hidden", "true");
    this.host.replaceChildren(this.spoken, this.wheels);
    this.shape = "";
  }

  show(text) {
    if (text === this.text) return;
    this.text = text;
    this.spoken.textContent = text;
    const shape = text.replace(/\d/g, "0");
    if (shape !== this.shape) this.#build(text, (this.shape = shape));
    let place = 0;
    for (const letter of text) {
      const wheel = this.wheels.children[place++];
      if (wheel.dataset.digit === undefined || wheel.dataset.digit === letter) continue;
      wheel.dataset.digit = letter;
      wheel.firstElementChild.style.transform = `translateY(${-10 * Number(letter)}%)`;
    }
  }

  #build(text) {
    this.wheels.replaceChildren(...[...text].map((letter) => this.#wheel(letter)));
    this.wheels.classList.toggle("rolling", !still.matches);
  }

  #wheel(letter) {
    const wheel = document.createElement("span");
    if (!STRIP.includes(letter)) {
      wheel.textContent = letter;
      wheel.className = letter === "," ? "comma" : "sign";
      return wheel;
    }
    wheel.className = "wheel";
    wheel.dataset.digit = "";
    const strip = document.createElement("span");
    for (const digit of STRIP) strip.append(Object.assign(document.createElement("i"), { textContent: digit }));
    wheel.append(strip);
    return wheel;
  }
}
