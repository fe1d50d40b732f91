// Loaded before everything else (--import): the process believes that it is so many milliseconds later.
const skew = Number(process.env.CLOCK_SKEW)
const RealDate = Date

globalThis.Date = class extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) super(RealDate.now() + skew)
    else super(...parts)
  }

  static now() {
    return RealDate.now() + skew
  }
}
