/** Paints at most once a frame of the screen, and not at all while nobody can see it; what came meanwhile is painted on return. */

export class Painter {
  constructor(paint) {
    this.paint = paint;
    this.waiting = false;
    document.addEventListener("visibilitychange", () => this.missed && !document.hidden && this.ask());
  }

  ask() {
    if (document.hidden) {
      this.missed = true;
      return;
    }
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = this.missed = false;
      this.paint();
    });
  }
}
